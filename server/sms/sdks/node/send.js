// Sends an SMS by the official SDKs of Aliyun and of Tencent Cloud. All connections go to PROVIDER (host:port).
const http = require('node:http')
const net = require('node:net')

const {
  PROVIDER: provider, ACCESS_KEY: accessKey, SECRET_KEY: secretKey, SIGNATURE: signature, TEMPLATE: template, CODE: code, NONCE: nonce,
} = process.env
const [host, port] = provider.split(':')
http.Agent.prototype.createConnection = (options, callback) => net.createConnection({ ...options, host, port }, callback)

const { $OpenApiUtil } = require('@alicloud/openapi-core')
const { default: Aliyun, SendSmsRequest } = require('@alicloud/dysmsapi20170525')
const { Client: Tencent } = require('tencentcloud-sdk-nodejs-sms').sms.v20210111

async function main() {
  // Its own credential would sign the name of its class too.
  const credential = { getCredential: async () => ({ type: 'access_key', accessKeyId: accessKey, accessKeySecret: secretKey }) }
  const aliyun = new Aliyun(new $OpenApiUtil.Config({
    credential, protocol: 'http', endpoint: 'dysmsapi.aliyuncs.com', globalParameters: { headers: { 'x-acs-signature-nonce': nonce } },
  }))
  await aliyun.sendSms(new SendSmsRequest({
    phoneNumbers: '13800000001', signName: signature, templateCode: template, templateParam: JSON.stringify({ code }),
  }))

  const tencent = new Tencent({
    credential: { secretId: accessKey, secretKey }, region: 'ap-guangzhou', profile: { httpProfile: { protocol: 'http://' } },
  })
  await tencent.SendSms({
    PhoneNumberSet: ['+8613800000001'], SmsSdkAppId: '1400000000', SignName: signature, TemplateId: template, TemplateParamSet: [code],
  })
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1) })
