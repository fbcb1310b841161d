package wechat

// Setting is a setting in minifed or in WeChat's console that WeChat rejects.
type Setting string

// The settings that an errcode can reject.
const (
	// OtherSetting is one that the errcode does not name.
	OtherSetting Setting = "other"
	// AppIDSetting is an AppID that is not a mini-program's.
	AppIDSetting Setting = "app_id"
	// AppSecretSetting is an AppSecret that is wrong, was reset or is frozen.
	AppSecretSetting Setting = "app_secret"
	// IPListSetting is the IP list of WeChat's console, which does not contain the server's address.
	IPListSetting Setting = "ip_list"
)

// RejectedSetting returns the setting that an errcode rejects, if only an operator can resolve the errcode.
func RejectedSetting(errcode int) Setting {
	switch errcode {
	case 40013:
		return AppIDSetting
	case 40125, 40001, 40243:
		return AppSecretSetting
	case 40164, 89503, 89506, 89507:
		return IPListSetting
	default:
		return OtherSetting
	}
}
