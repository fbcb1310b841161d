// Runs the index page of a built mini-program with the parts of WeChat's runtime that the builds of Taro and uni-app use, and prints the
// data that the page sets. The phone is the simulator's: wx.login takes a code of the user in PHONE.
//
//   CONTROL=http://127.0.0.1:8091 PHONE=lin node runtime.cjs FOLDER
const { resolve } = require('node:path')

const { CONTROL: control, PHONE: user } = process.env
const folder = resolve(process.argv[2])
const storage = new Map()

global.wx = {
  login({ success, fail }) {
    fetch(`${control}/login?user=${user}`, { method: 'POST' })
      .then(async response => success({ code: await response.text(), errMsg: 'login:ok' }))
      .catch(error => fail({ errMsg: error.message }))
  },
  request({ url, method, data, header, success, fail, complete = () => {} }) {
    fetch(url, { method, headers: header, body: JSON.stringify(data) })
      .then(async response => success({ statusCode: response.status, data: await response.json(), header: {} }))
      .catch(error => fail({ errMsg: error.message }))
      .finally(complete)
    return { abort() {} }
  },
  getStorageSync: key => storage.get(key) ?? '',
  setStorageSync: (key, value) => storage.set(key, structuredClone(value)),
  removeStorageSync: key => storage.delete(key),
  setStorage: ({ key, data }) => storage.set(key, data),
  getSystemInfoSync: () => ({ SDKVersion: '3.7.0', windowWidth: 375, windowHeight: 667, pixelRatio: 2, platform: 'devtools' }),
  getWindowInfo: () => ({ windowWidth: 375, windowHeight: 667, pixelRatio: 2 }),
  getAppBaseInfo: () => ({ SDKVersion: '3.7.0', language: 'en' }),
  getDeviceInfo: () => ({ platform: 'devtools' }),
  getLaunchOptionsSync: () => ({ path: 'pages/index/index', query: {} }),
  getEnterOptionsSync: () => ({ path: 'pages/index/index', query: {} }),
  canIUse: () => true,
  nextTick: setImmediate,
}

let app
let page
global.App = definition => (app = definition)
global.getApp = () => app
global.getCurrentPages = () => []
global.Behavior = definition => definition
global.Page = definition => (page = definition)
global.Component = definition => {
  if (definition.methods && definition.methods.onLoad) page = definition
}

require(resolve(folder, 'app.js'))
app.onLaunch({ path: 'pages/index/index', query: {} })
require(resolve(folder, 'pages/index/index.js'))

const instance = Object.create({ ...page, ...page.methods })
Object.assign(instance, {
  route: 'pages/index/index',
  is: 'pages/index/index',
  properties: {},
  data: { ...page.data },
  triggerEvent() {},
  selectAllComponents: () => [],
  setData(change, done = () => {}) {
    console.log(JSON.stringify(change))
    done()
  },
})
if (page.lifetimes) page.lifetimes.attached.call(instance)
for (const handler of ['onLoad', 'onShow', 'onReady']) if (instance[handler]) instance[handler]({})
