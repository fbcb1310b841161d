/**
 * What a user reads. A failure is named by what to do about it: the `reason` that minifed answered (README.md lists them), its
 * `error` where there is no reason, or what failed on the phone itself.
 */
const texts = {
  zh: {
    wx_login: '微信登录失败，请检查网络后重试。',
    network: '连接不上服务器，请检查网络后重试。',
    new_code: '登录凭证已失效，请重试。',
    repeat_differs: '登录凭证已失效，请重试。',
    new_phone_code: '手机号凭证已失效，请重新点击手机号按钮。',
    retry: '服务暂时繁忙，请稍后重试。',
    rate_limited: '登录过于频繁，请一分钟后重试。',
    misconfigured: '小程序的登录配置有误，请联系客服。',
    blocked: '微信判定当前账号存在风险，暂时无法登录。请在微信内处理后再试。',
    user_disabled: '您的账号已被停用，请联系客服。',
    already_bound: '当前微信已绑定其他账号。',
    account_conflict: '该手机号属于另一个账号，无法自动绑定，请联系客服。',
    registration_required: '尚未注册，请先注册或绑定已有账号。',
    phone_quota: '手机号快速验证的次数已用完，请使用其他方式或联系客服。',
    phone_privacy: '小程序尚未在用户隐私保护指引中声明使用手机号，请联系客服。',
    phone_permission: '小程序没有获取手机号的权限，请联系客服。',
    phone_failed: '未能获取手机号，请重试。',
    other: '登录失败，请重试。',
    retry_button: '重试',
    new_here: '欢迎，您还没有账号。',
    choose_picture: '选择头像',
    nickname: '昵称',
    register: '创建账号',
    bind_phone: '已有账号？用手机号绑定',
    hello: '您好，',
    who_am_i: '查询我的身份',
    known_as: '您在本应用的用户标识：',
  },
  en: {
    wx_login: 'WeChat could not sign you in. Check your network and try again.',
    network: 'The server cannot be reached. Check your network and try again.',
    new_code: 'The sign-in has expired. Try again.',
    repeat_differs: 'The sign-in has expired. Try again.',
    new_phone_code: 'The phone number has expired. Tap the phone number button again.',
    retry: 'The service is busy. Try again in a moment.',
    rate_limited: 'Too many sign-ins. Try again in a minute.',
    misconfigured: 'The sign-in of this mini-program is not set up correctly. Please contact support.',
    blocked: 'WeChat considers this account a risk and does not let it sign in. Resolve that in WeChat first.',
    user_disabled: 'Your account is disabled. Please contact support.',
    already_bound: 'This WeChat account belongs to another account already.',
    account_conflict: 'Another account holds this phone number. Please contact support.',
    registration_required: 'You have no account yet. Create one, or bind one that you have.',
    phone_quota: 'The quota of phone number checks is used up. Use another way, or contact support.',
    phone_privacy: 'This mini-program has not declared the phone number in its privacy guidelines. Please contact support.',
    phone_permission: 'This mini-program may not ask for phone numbers. Please contact support.',
    phone_failed: 'The phone number could not be read. Try again.',
    other: 'The sign-in failed. Try again.',
    retry_button: 'Try again',
    new_here: 'Welcome. You have no account yet.',
    choose_picture: 'Choose a picture',
    nickname: 'Nickname',
    register: 'Create my account',
    bind_phone: 'I have one: find it by my phone number',
    hello: 'Hello, ',
    who_am_i: 'Ask the backend who I am',
    known_as: 'The backend knows you as ',
  },
}

/** The texts of a language as WeChat names it: zh_CN, zh_TW, en, … */
function textsOf(language) {
  return String(language).startsWith('zh') ? texts.zh : texts.en
}

/** What to say of an error of auth.js. */
function describe(error, language) {
  const known = textsOf(language)
  return known[error.reason] || known[error.code] || known.other
}

/** What to say of a phone number button that gave no code; empty when the user said no. */
function describePhone({ errno, errMsg = '' }, language) {
  const known = textsOf(language)
  if (errno === 1400001) return known.phone_quota
  if (errno === 112 || /privacy/.test(errMsg)) return known.phone_privacy
  if (/no permission/.test(errMsg)) return known.phone_permission
  if (/deny|cancel/.test(errMsg)) return ''
  return known.phone_failed
}

module.exports = { describe, describePhone, textsOf }
