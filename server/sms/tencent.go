package sms

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	tencentURL     = "https://sms.tencentcloudapi.com/"
	tencentAction  = "SendSms"
	tencentVersion = "2021-01-11"
	tencentRegion  = "ap-guangzhou"
	tencentScheme  = "TC3-HMAC-SHA256"
	tencentService = "sms"
	tencentMedia   = "application/json"
)

var errMalformedURL = errors.New("sms: the address of the provider is malformed: set --sms-url")

// tencentRequest is the request of SendSms.
type tencentRequest struct {
	PhoneNumberSet   []string
	SmsSdkAppID      string `json:"SmsSdkAppId"`
	SignName         string `json:",omitempty"`
	TemplateID       string `json:"TemplateId"`
	TemplateParamSet []string
}

// tencentResponse is the response of SendSms, and of an error of the gateway.
type tencentResponse struct {
	Response struct {
		RequestID     string `json:"RequestId"`
		Error         struct{ Code string }
		SendStatusSet []struct{ Code string }
	}
}

// sendByTencent sends a message by SendSms of 2021-01-11.
func (s *Sender) sendByTencent(ctx context.Context, account Account, message Message) error {
	_, value := message.variable()
	body, err := json.Marshal(tencentRequest{
		PhoneNumberSet: []string{message.To}, SmsSdkAppID: account.AppID, SignName: account.Signature, TemplateID: account.template(message),
		TemplateParamSet: []string{value},
	})
	if err != nil {
		return err
	}
	address, header, err := s.signTencent(account, body)
	if err != nil {
		return err
	}
	status, received, err := s.Client.Exchange(ctx, http.MethodPost, address, body, header)
	if err != nil {
		return fmt.Errorf("sms: %s: %w", storage.SMSTencent, err)
	}
	var response tencentResponse
	if json.Unmarshal(received, &response) != nil {
		return unreadable(storage.SMSTencent, status)
	}
	code := response.Response.Error.Code
	if sent := response.Response.SendStatusSet; code == "" && len(sent) == 1 {
		code = sent[0].Code
	}
	switch code {
	case "Ok":
		return nil
	case "":
		return unreadable(storage.SMSTencent, status)
	default:
		return rejected(storage.SMSTencent, code, response.Response.RequestID, tencentRemedies())
	}
}

// signTencent returns the address and the header of a request with the signature TC3-HMAC-SHA256, whose key derives from the
// SecretKey, the day and the service.
func (s *Sender) signTencent(account Account, body []byte) (address string, header map[string]string, err error) {
	base, err := url.Parse(orDefault(account.URL, tencentURL))
	if err != nil {
		return "", nil, errMalformedURL
	}
	if base.Path == "" {
		base.Path = "/"
	}
	const signedHeaders = "content-type;host"
	request := strings.Join([]string{
		http.MethodPost, base.Path, "", "content-type:" + tencentMedia + "\nhost:" + base.Host + "\n", signedHeaders, hexDigest(string(body)),
	}, "\n")
	now := s.Now().UTC()
	day, at := now.Format(time.DateOnly), strconv.FormatInt(now.Unix(), 10)
	scope := day + "/" + tencentService + "/tc3_request"
	key := []byte("TC3" + account.Key)
	for _, part := range []string{day, tencentService, "tc3_request"} {
		key = authenticate(key, part)
	}
	signature := hex.EncodeToString(authenticate(key, strings.Join([]string{tencentScheme, at, scope, hexDigest(request)}, "\n")))
	return base.String(), map[string]string{
		"Content-Type": tencentMedia, "X-TC-Action": tencentAction, "X-TC-Version": tencentVersion, "X-TC-Timestamp": at,
		"X-TC-Region":   cmp.Or(account.Region, tencentRegion),
		"Authorization": fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s", tencentScheme, account.AccessKey, scope, signedHeaders, signature),
	}, nil
}

// tencentRemedies are what an operator can do about an error code.
func tencentRemedies() map[string]string {
	const (
		key      = "the SecretId or the SecretKey is wrong: set --sms-access-key and `minifed directory set-sms-key`"
		limit    = "Tencent Cloud's own limit for this number or app is reached: see the limits in its console"
		number   = "the number is not one that Tencent Cloud delivers to"
		template = "the template is missing, not approved, or has other variables: it needs one, {1}; set --sms-template-en and --sms-template-zh"
		sign     = "the signature is missing or not approved: set --sms-signature to the approved one"
		app      = "the SdkAppId is wrong or of another account: set --sms-app-id"
		account  = "the Tencent Cloud account has no messages left or is not allowed to send: see its console"
	)
	return map[string]string{
		"AuthFailure.SecretIdNotFound": key, "AuthFailure.SignatureFailure": key, "AuthFailure.InvalidSecretId": key,
		"AuthFailure.SignatureExpire":                    "the clock of this machine is wrong: synchronise it",
		"AuthFailure.UnauthorizedOperation":              "the key may not call sms:SendSms: give its user that permission",
		"UnauthorizedOperation":                          "the key may not call sms:SendSms: give its user that permission",
		"LimitExceeded.PhoneNumberDailyLimit":            limit,
		"LimitExceeded.PhoneNumberOneHourLimit":          limit,
		"LimitExceeded.PhoneNumberThirtySecondLimit":     limit,
		"LimitExceeded.PhoneNumberSameContentDailyLimit": limit,
		"LimitExceeded.AppDailyLimit":                    limit, "LimitExceeded.AppMainlandChinaDailyLimit": limit, "LimitExceeded.AppCountryOrRegionDailyLimit": limit,
		"LimitExceeded.DailyLimit": limit, "LimitExceeded.DeliveryFrequencyLimit": limit,
		"InvalidParameterValue.IncorrectPhoneNumber": number, "FailedOperation.PhoneNumberInBlacklist": number, "UnsupportedOperation.UnsupportedRegion": number,
		"FailedOperation.TemplateIncorrectOrUnapproved":                  template,
		"FailedOperation.TemplateParamSetNotMatchApprovedTemplate":       template,
		"FailedOperation.TemplateUnapprovedOrNotExist":                   template,
		"InvalidParameterValue.TemplateParameterFormatError":             template,
		"FailedOperation.SignatureIncorrectOrUnapproved":                 sign,
		"UnauthorizedOperation.SmsSdkAppIdVerifyFail":                    app,
		"UnauthorizedOperation.SdkAppIdIsDisabled":                       app,
		"InvalidParameterValue.SdkAppIdNotExist":                         app,
		"FailedOperation.InsufficientBalanceInSmsPackage":                account,
		"UnauthorizedOperation.ServiceSuspendDueToArrears":               account,
		"UnauthorizedOperation.IndividualUserMarketingSmsPermissionDeny": account,
	}
}
