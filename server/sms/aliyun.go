package sms

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	aliyunURL     = "https://dysmsapi.aliyuncs.com/"
	aliyunAction  = "SendSms"
	aliyunVersion = "2017-05-25"
	aliyunScheme  = "ACS3-HMAC-SHA256"
	nonceSize     = 16
)

// aliyunResponse is the response of SendSms, and of an error of the gateway.
type aliyunResponse struct {
	Code      string `json:"Code"`
	RequestID string `json:"RequestId"`
}

// sendByAliyun sends a message by Dysmsapi (SendSms of 2017-05-25).
func (s *Sender) sendByAliyun(ctx context.Context, account Account, message Message) error {
	name, value := message.variable()
	parameter, err := json.Marshal(map[string]string{name: value})
	if err != nil {
		return err
	}
	query := url.Values{
		"PhoneNumbers": {aliyunNumber(message.To)}, "SignName": {account.Signature}, "TemplateCode": {account.template(message)},
		"TemplateParam": {string(parameter)},
	}
	address, header, err := s.signAliyun(account, query)
	if err != nil {
		return err
	}
	status, body, err := s.Client.Exchange(ctx, http.MethodPost, address, nil, header)
	if err != nil {
		return fmt.Errorf("sms: %s: %w", storage.SMSAliyun, err)
	}
	var response aliyunResponse
	if json.Unmarshal(body, &response) != nil || response.Code == "" {
		return unreadable(storage.SMSAliyun, status)
	}
	if response.Code != "OK" {
		return rejected(storage.SMSAliyun, response.Code, response.RequestID, aliyunRemedies())
	}
	return nil
}

// aliyunNumber is a number as Aliyun has it: without a prefix in mainland China, else with the country code and without "+".
func aliyunNumber(number string) string {
	if national, chinese := strings.CutPrefix(number, "+86"); chinese {
		return national
	}
	return strings.TrimPrefix(number, "+")
}

// signAliyun returns the address and the header of a request with the signature of version 3: the HMAC-SHA-256 of a digest of the
// request under the AccessKey secret.
func (s *Sender) signAliyun(account Account, query url.Values) (address string, header map[string]string, err error) {
	base, err := url.Parse(orDefault(account.URL, aliyunURL))
	if err != nil {
		return "", nil, errMalformedURL
	}
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(s.Random, nonce); err != nil {
		return "", nil, fmt.Errorf("sms: randomness: %w", err)
	}
	header = map[string]string{
		"x-acs-action": aliyunAction, "x-acs-version": aliyunVersion, "x-acs-signature-nonce": hex.EncodeToString(nonce),
		"x-acs-date": s.Now().UTC().Format(time.RFC3339)[:len("2006-01-02T15:04:05")] + "Z", "x-acs-content-sha256": hexDigest(""),
	}
	signed := maps.Clone(header)
	signed["host"] = base.Host
	names := slices.Sorted(maps.Keys(signed))
	var fields strings.Builder
	for _, name := range names {
		fields.WriteString(name + ":" + signed[name] + "\n")
	}
	base.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	if base.Path == "" {
		base.Path = "/"
	}
	request := strings.Join([]string{http.MethodPost, base.Path, base.RawQuery, fields.String(), strings.Join(names, ";"), header["x-acs-content-sha256"]}, "\n")
	signature := hex.EncodeToString(authenticate([]byte(account.Key), aliyunScheme+"\n"+hexDigest(request)))
	header["Authorization"] = fmt.Sprintf("%s Credential=%s,SignedHeaders=%s,Signature=%s", aliyunScheme, account.AccessKey, strings.Join(names, ";"), signature)
	header["Accept"] = "application/json"
	return base.String(), header, nil
}

// aliyunRemedies are what an operator can do about an error code.
func aliyunRemedies() map[string]string {
	const (
		key      = "the AccessKey ID or its secret is wrong: set --sms-access-key and `minifed directory set-sms-key`"
		limit    = "Aliyun's own limit for this number is reached: 1 a minute, 5 an hour, 10 a day unless its console allows more"
		number   = "the number is not one that Aliyun delivers to"
		template = "the template is missing, not approved, or has other variables: it needs one, ${code}, or ${change} for notices; set --sms-template-en and --sms-template-zh"
		sign     = "the signature is missing or not approved: set --sms-signature to the approved one"
		account  = "the Aliyun account has no balance or is not allowed to send: see its console"
	)
	return map[string]string{
		"InvalidAccessKeyId.NotFound": key, "InvalidAccessKeyId": key, "SignatureDoesNotMatch": key, "IncompleteSignature": key, "InvalidAccessKeyId.Inactive": key,
		"isv.BUSINESS_LIMIT_CONTROL": limit, "isv.DAY_LIMIT_CONTROL": limit, "isv.MOBILE_COUNT_OVER_LIMIT": limit,
		"isv.MOBILE_NUMBER_ILLEGAL": number, "isv.BLACK_KEY_CONTROL_LIMIT": number, "isv.PRODUCT_UN_SUBSCRIPT": account,
		"isv.SMS_TEMPLATE_ILLEGAL": template, "isv.TEMPLATE_MISSING_PARAMETERS": template, "isv.TEMPLATE_PARAMS_ILLEGAL": template, "isv.INVALID_PARAMETERS": template,
		"isv.SMS_SIGNATURE_ILLEGAL": sign, "isv.SMS_SIGN_ILLEGAL": sign, "isv.SMS_SIGNATURE_SCENE_ILLEGAL": sign, "isv.SIGN_STATE_ILLEGAL": sign,
		"isv.AMOUNT_NOT_ENOUGH": account, "isv.ACCOUNT_ABNORMAL": account, "isv.ACCOUNT_NOT_EXISTS": account, "isv.OUT_OF_SERVICE": account,
		"isp.RAM_PERMISSION_DENY": "the AccessKey may not call dysms:SendSms: give its RAM user that permission", "Forbidden.RAM": "the AccessKey may not call dysms:SendSms: give its RAM user that permission",
		"InvalidTimeStamp.Expired": "the clock of this machine is wrong: synchronise it", "Throttling.User": "too many requests at once: raise the limit in Aliyun's console",
	}
}

// hexDigest is the SHA-256 of a text in hexadecimal.
func hexDigest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func authenticate(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
