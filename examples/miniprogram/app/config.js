// The address of your backend. WeChat's console calls it 服务器域名 → request 合法域名.
module.exports = { backend: 'http://127.0.0.1:9000' }
