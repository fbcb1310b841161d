// The texts of this sample's pages. The kit has the texts about errors.
const chinese = {
  retry_button: '重试',
  new_here: '欢迎，您还没有账号。',
  choose_picture: '选择头像',
  nickname: '昵称',
  register: '创建账号',
  bind_phone: '已有账号？用手机号绑定',
  hello: '您好，',
  who_am_i: '查询我的身份',
  known_as: '您在本应用的用户标识：',
  scan_title: '登录到浏览器',
  scan_warning: '浏览器和您的手机可能不在同一个地方。如果这不是您本人的操作，请选择“不是我”。',
  scan_confirm: '是我本人在登录',
  scan_number: '请输入浏览器上显示的两位数字',
  scan_approve: '登录',
  scan_deny: '不是我',
  scan_done: '已登录，请在浏览器中继续。',
  scan_denied: '已拒绝。',
  scan_digits: '请在浏览器中输入：',
}

const english = {
  retry_button: 'Try again',
  new_here: 'Welcome. You have no account yet.',
  choose_picture: 'Choose a picture',
  nickname: 'Nickname',
  register: 'Create my account',
  bind_phone: 'I have one: find it by my phone number',
  hello: 'Hello, ',
  who_am_i: 'Ask the backend who I am',
  known_as: 'The backend knows you as ',
  scan_title: 'Sign in to a browser',
  scan_warning: 'The browser and your phone may be at different places. If this is not you, choose "Not me".',
  scan_confirm: 'It is me who signs in',
  scan_number: 'Type the two digits that the browser shows',
  scan_approve: 'Sign in',
  scan_deny: 'Not me',
  scan_done: 'You are signed in. Continue in the browser.',
  scan_denied: 'The sign-in was denied.',
  scan_digits: 'Type this into the browser: ',
}

/** The texts of a language as WeChat names it: zh_CN, zh_TW, en, … */
function textsOf(language) {
  return String(language).startsWith('zh') ? chinese : english
}

module.exports = { textsOf }
