import type { AuthError } from './errors.js'

const chinese = {
  wx_login: '微信登录失败，请检查网络后重试。',
  network: '连接不上服务器，请检查网络后重试。',
  new_code: '登录凭证已失效，请重试。',
  repeat_differs: '登录凭证已失效，请重试。',
  new_phone_code: '手机号凭证已失效，请重新点击手机号按钮。',
  retry: '服务暂时繁忙，请稍后重试。',
  rate_limited: '操作过于频繁，请一分钟后重试。',
  misconfigured: '小程序的登录配置有误，请联系客服。',
  blocked: '微信判定当前账号存在风险，暂时无法登录。请在微信内处理后再试。',
  user_disabled: '您的账号已被停用，请联系客服。',
  deletion_pending: '您的账号正在等待注销。如需恢复，请在浏览器中登录账号，或联系客服。',
  terms_required: '请先阅读并同意服务条款和隐私政策。',
  guardian_consent_required: '您未成年，需要监护人同意后才能登录。请监护人联系客服。',
  wrong_password: '账号或密码不正确，请重新输入。',
  session_token: '身份验证已过期，请重新登录后再试。',
  already_bound: '当前微信已绑定其他账号。',
  account_conflict: '该手机号属于另一个账号，无法自动绑定，请联系客服。',
  registration_required: '您还没有账号，请先注册或绑定已有账号。',
  scene_unknown: '二维码无效，请在浏览器中刷新后重新扫码。',
  scene_expired: '二维码已过期，请在浏览器中刷新后重新扫码。',
  scene_used: '二维码已被使用，请在浏览器中刷新后重新扫码。',
  scene_unseen: '二维码尚未打开，请重新扫码。',
  number_missing: '请输入浏览器上显示的两位数字。',
  number_wrong: '数字不正确，本次登录已取消。请在浏览器中刷新后重新扫码。',
  not_confirmed: '请先确认是您本人在登录。',
  starts_no_sessions: '该小程序不能用于登录网页，请联系客服。',
  phone_quota: '手机号快速验证的次数已用完，请使用其他方式或联系客服。',
  phone_privacy: '小程序尚未在用户隐私保护指引中声明使用手机号，请联系客服。',
  phone_permission: '小程序没有获取手机号的权限，请联系客服。',
  phone_failed: '未能获取手机号，请重试。',
  other: '操作失败，请重试。',
}

const english: typeof chinese = {
  wx_login: 'WeChat could not sign you in. Check your network and try again.',
  network: 'The server cannot be reached. Check your network and try again.',
  new_code: 'The sign-in has expired. Try again.',
  repeat_differs: 'The sign-in has expired. Try again.',
  new_phone_code: 'The phone number has expired. Tap the phone number button again.',
  retry: 'The service is busy. Try again in a moment.',
  rate_limited: 'Too many attempts. Try again in a minute.',
  misconfigured: 'The sign-in of this mini-program is not set up correctly. Please contact support.',
  blocked: 'WeChat considers this account a risk and does not let it sign in. Resolve that in WeChat first.',
  user_disabled: 'Your account is disabled. Please contact support.',
  deletion_pending: 'Your account waits for its deletion. Restore it in a browser, or contact support.',
  terms_required: 'Read and accept the terms and the privacy notice first.',
  guardian_consent_required: 'You are a minor: a guardian has to consent first. Ask your guardian to contact support.',
  wrong_password: 'The account or the password is wrong. Enter them again.',
  session_token: 'The proof has expired. Sign in again and repeat.',
  already_bound: 'This WeChat account belongs to another account already.',
  account_conflict: 'Another account has this phone number. Please contact support.',
  registration_required: 'You have no account yet. Create one, or bind one that you have.',
  scene_unknown: 'The code is not valid. Reload the page in the browser and scan again.',
  scene_expired: 'The code has expired. Reload the page in the browser and scan again.',
  scene_used: 'The code was used before. Reload the page in the browser and scan again.',
  scene_unseen: 'The code was not opened yet. Scan it again.',
  number_missing: 'Type the two digits that the browser shows.',
  number_wrong: 'The number is wrong, and this sign-in has ended. Reload the page in the browser and scan again.',
  not_confirmed: 'First confirm that it is you who signs in.',
  starts_no_sessions: 'This mini-program cannot sign in browsers. Please contact support.',
  phone_quota: 'The quota of phone number checks is used up. Use another way, or contact support.',
  phone_privacy: 'This mini-program has not declared the phone number in its privacy guidelines. Please contact support.',
  phone_permission: 'This mini-program may not ask for phone numbers. Please contact support.',
  phone_failed: 'The phone number could not be read. Try again.',
  other: 'The action failed. Try again.',
}

/** The text for the user about an error of the kit, in the language that WeChat names (zh_CN, zh_TW, en, …). */
export function describe(error: Pick<AuthError, 'code' | 'reason'> | unknown, language: string): string {
  const { code, reason } = (error || {}) as { code?: string; reason?: string }
  const texts = textsOf(language)
  return own(texts, reason) || own(texts, code) || texts.other
}

/** The text about a phone number button that returned no code; empty if the user declined. */
export function describePhone(detail: { errno?: number; errMsg?: string }, language: string): string {
  const { errno, errMsg = '' } = detail
  const texts = textsOf(language)
  if (errno === 1400001) return texts.phone_quota
  if (errno === 112 || /privacy/.test(errMsg)) return texts.phone_privacy
  if (/no permission/.test(errMsg)) return texts.phone_permission
  if (/deny|cancel/.test(errMsg)) return ''
  return texts.phone_failed
}

function textsOf(language: string): typeof chinese {
  return String(language).toLowerCase().startsWith('zh') ? chinese : english
}

function own(texts: typeof chinese, key: string | undefined): string | undefined {
  return key !== undefined && Object.prototype.hasOwnProperty.call(texts, key) ? texts[key as keyof typeof chinese] : undefined
}
