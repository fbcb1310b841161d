// A WeChat cloud function with the kit's paths. The mini-program calls it by wx.cloud.callFunction, or by HTTP through an HTTP access
// service (HTTP 访问服务), which calls it with `path` and `body`.
const { Backend } = require('minifed-miniprogram/backend')

const { MINIFED_ISSUER: issuer, MINIFED_CLIENT_ID: clientId, MINIFED_CLIENT_SECRET: clientSecret } = process.env
const backend = new Backend({ issuer, clientId, clientSecret, failed: (path, error) => console.error(path, error.message) })

exports.main = async ({ httpMethod, path = '', body }) => {
  const { status, headers, body: result } = await backend.handle(path.slice(path.lastIndexOf('/') + 1), parsed(body))
  if (!httpMethod) return { statusCode: status, data: result } // as wx.request returns it
  return { statusCode: status, headers, body: JSON.stringify(result) }
}

function parsed(body) {
  if (typeof body !== 'string') return body
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
