// Loaded before an SDK: TLS connections to WeChat's API go to the simulator at SIMULATOR (host:port). NODE_EXTRA_CA_CERTS names
// its authority.
const https = require('node:https')

const [host, port] = process.env.SIMULATOR.split(':')
const connect = https.Agent.prototype.createConnection

https.Agent.prototype.createConnection = function (options, callback) {
  if (options.host !== 'api.weixin.qq.com') throw new Error(`this test does not connect to ${options.host}`)
  return connect.call(this, { ...options, host, port, servername: options.host }, callback)
}
