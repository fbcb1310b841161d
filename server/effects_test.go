package server_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// memberEffects names a test for every member of a request body, which sends it and checks its effect. All tests compare the
// responses with openapi.json, and what it describes but no test receives fails TestMain.
func memberEffects() map[string]string {
	return map[string]string{
		"access_token":          "TestRFC6750_2_TheThreeWaysToSendATokenAreOneAtATime",
		"acr_values":            "TestOIDCC_oidcc_ensure_request_with_acr_values_succeeds",
		"actor_token":           "TestRFC8693_2_2_2_WhatIsAskedForMustBeAllowed",
		"actor_token_type":      "TestRFC8693_2_2_2_WhatIsAskedForMustBeAllowed",
		"attempt":               "TestScan_Rejections",
		"confirmed":             "TestScan_Rejections",
		"country":               "TestScan_CountriesDecideSecondConfirmation",
		"number":                "TestScan_Rejections",
		"scene":                 "TestScan_Rejections",
		"audience":              "TestRFC9068_4_UserInfoWantsTheIssuerInAud",
		"bind_ticket":           "TestBindTicket_ConcurrentRequestsCreateOneUser",
		"claims":                "TestOIDCCore_5_5_TheClaimsParameter",
		"claims_locales":        "TestOIDCC_oidcc_claims_locales",
		"client_assertion":      "TestRFC6749_2_3_AnAssertionIsNotShownTogetherWithAnythingElse",
		"client_assertion_type": "TestRFC6749_2_3_AnAssertionIsNotShownTogetherWithAnythingElse",
		"client_id":             "TestRefresh_PublicClientNeedsNoSecret",
		"client_secret":         "TestOIDCC_oidcc_server_client_secret_post",
		"code":                  "TestRepeat_IsRejected",
		"code_challenge":        "TestRFC7636_4_6_PKCECannotBeStripped",
		"code_challenge_method": "TestRFC7636_4_6_PKCECannotBeStripped",
		"code_verifier":         "TestRFC7636_4_6_PKCECannotBeStripped",
		"current_password":      "TestSetPassword_ReplacesAPasswordOnlyWithTheOldOne",
		"display":               "TestOIDCC_oidcc_display_page",
		"grant_type":            "TestFederation_RejectsWhatTokenEndpointRejects",
		"id_token_hint":         "TestOIDCCore_3_1_2_2_IDTokenHint",
		"login_hint":            "TestLoginHint_FillsUsername",
		"max_age":               "TestOIDCC_oidcc_max_age_1",
		"method":                "TestBindUser_ReportsInvalidProofs",
		"nonce":                 "TestNonce_ShortValueIsReturned",
		"password":              "TestSetPassword_ReplacesAPasswordOnlyWithTheOldOne",
		"phone_code":            "TestPhoneCode_LostResponseNeedsNewCode",
		"prompt":                "TestOIDCCore_3_1_2_1_Prompts",
		"redirect_uri":          "TestOIDCCore_8_1_SectorsHaveDifferentSubjects",
		"refresh_token":         "TestAccountLinking_WithdrawalEndsScopeButNotGrant",
		"registration":          "TestRFC6749_4_1_2_1_ErrorsGoToTheClient",
		"request":               "TestRFC6749_4_1_2_1_ErrorsGoToTheClient",
		"request_uri":           "TestRFC9126_2_PushingAnAuthorizationRequest",
		"requested_token_type":  "TestRFC8693_2_2_2_WhatIsAskedForMustBeAllowed",
		"resource":              "TestRFC8707_2_2_ATokenRequestNarrowsTheAudience",
		"response_mode":         "TestFormPost_2_ThePage",
		"response_type":         "TestOIDCC_oidcc_response_type_missing",
		"scope":                 "TestOpenIDConnectCore_5_4_EachScopeAsksForItsClaims",
		"state":                 "TestRFC6749_4_1_2_StateComesBackAsItWas",
		"terms_version":         "TestTerms_MiniProgramMustAcceptUnderPolicy",
		"guardian_consent":      "TestGuardian_MiniProgramNeedsConsentOfMinors",
		"subject_token":         "TestMiniProgramRequests_ExplainCommonMistakes",
		"subject_token_type":    "TestMiniProgramRequests_ExplainCommonMistakes",
		"target_client_id":      "TestHandOff_RejectsRequests",
		"token":                 "TestRFC7009_2_1_RevokingAnyTokenEndsItsGrant",
		"token_type_hint":       "TestRFC7009_2_1_RevokingAnyTokenEndsItsGrant",
		"ui_locales":            "TestOIDCC_oidcc_ui_locales",
		"name":                  "TestAccountAPI_ShowsAndChangesTheAccount",
		"picture":               "TestAccountAPI_ShowsAndChangesTheAccount",
		"gender":                "TestAccountAPI_ShowsAndChangesTheAccount",
		"birthdate":             "TestAccountAPI_ShowsAndChangesTheAccount",
		"locale":                "TestAccountAPI_ShowsAndChangesTheAccount",
		"zoneinfo":              "TestAccountAPI_ShowsAndChangesTheAccount",
		"nickname":              "TestAccountAPI_ShowsAndChangesTheAccount",
		"value":                 "TestAccountAPI_ShowsAndChangesTheAccount",
		"type":                  "TestAccountAPI_ShowsAndChangesTheAccount",
		"user":                  "TestProfile_UpdateRequiresPermission",
		"username":              "TestSetPassword_ReplacesAPasswordOnlyWithTheOldOne",

		"device_code": "TestRFC8628_UserAllowsDeviceAfterScan",
		"end":         "TestDeviceRule_UserAllowsInMiniProgram",
		"user_code":   "TestDeviceRule_UserAllowsInMiniProgram",

		"application_type":                      "TestRFC7591_3_1_BodiesOfRealClients",
		"client_name":                           "TestRFC7591_3_1_BodiesOfRealClients",
		"grant_types":                           "TestRFC7591_3_1_BodiesOfRealClients",
		"id_token_signed_response_alg":          "TestRFC7591_3_2_1_ResponseHasRegisteredMetadata",
		"jwks":                                  "TestRFC7591_3_2_1_ResponseHasRegisteredMetadata",
		"jwks_uri":                              "TestRFC7591_3_2_1_ResponseHasRegisteredMetadata",
		"logo_uri":                              "TestRFC7591_3_2_2_Errors",
		"policy_uri":                            "TestRFC7591_3_2_1_ResponseHasRegisteredMetadata",
		"post_logout_redirect_uris":             "TestRFC7591_3_2_1_ResponseHasRegisteredMetadata",
		"redirect_uris":                         "TestRFC7591_3_1_BodiesOfRealClients",
		"response_types":                        "TestRFC7591_3_2_2_Errors",
		"token_endpoint_auth_method":            "TestRFC7591_3_1_BodiesOfRealClients",
		"token_endpoint_auth_methods_supported": "TestClientDocument_DocumentsOfProducts",
		"token_endpoint_auth_signing_alg":       "TestRFC7591_3_2_1_ResponseHasRegisteredMetadata",
		"tos_uri":                               "TestRFC7591_3_2_1_ResponseHasRegisteredMetadata",
	}
}

func TestSettings_EveryRequestMemberHasAnEffect(t *testing.T) {
	known, there := memberEffects(), map[string]bool{}
	for path := range openAPI().Paths {
		if strings.HasPrefix(path, eventsPath) {
			continue // A message of WeChat has no parameters.
		}
		for name := range openAPI().parameters(path) {
			there[name] = true
			if known[name] == "" {
				t.Errorf("%s of %s: no test is named for its effect", name, path)
			}
		}
	}
	bodies := testBodies(t)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		body, exists := bodies[known[name]]
		switch {
		case !there[name]:
			t.Errorf("%s: no request has it", name)
		case !exists:
			t.Errorf("%s: there is no test %s", name, known[name])
		case !strings.Contains(body, name):
			t.Errorf("%s: %s does not send it", name, known[name])
		}
	}
}

// testBodies returns the tests of this package with the text of their files.
func testBodies(t *testing.T) map[string]string {
	t.Helper()
	bodies := map[string]string{}
	for _, file := range must(filepath.Glob("*_test.go"))(t) {
		text := string(must(os.ReadFile(file))(t))
		for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(text, -1) {
			bodies[found[1]] = text
		}
	}
	return bodies
}
