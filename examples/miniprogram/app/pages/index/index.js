const { describe, describePhone } = require('minifed-miniprogram')
const { backend } = require('../../config.js')
const { textsOf } = require('../../texts.js')

const { auth, language } = getApp()

Page({
  data: { state: 'loading', profile: null, nickname: '', picture: '', message: '', texts: textsOf(language) },

  async onLoad() {
    await this.signIn()
  },

  // Also bound to the button "Try again".
  async signIn() {
    this.setData({ state: 'loading', message: '' })
    await this.show(() => auth.login())
  },

  onNickname({ detail }) {
    this.setData({ nickname: detail.value })
  },

  // WeChat gives a temporary file. A real mini-program uploads it and uses the https address that it gets back.
  onAvatar({ detail }) {
    this.setData({ picture: detail.avatarUrl })
  },

  async onRegister() {
    const user = { nickname: this.data.nickname }
    if (this.data.picture.startsWith('https://')) user.picture = this.data.picture
    await this.show(() => auth.register(user))
  },

  async onPhone({ detail }) {
    if (!detail.code) {
      this.setData({ message: describePhone(detail, language) })
      return
    }
    await this.show(() => auth.bind({ phoneCode: detail.code }))
  },

  async onHello() {
    try {
      const { statusCode, data } = await auth.request(`${backend}/me`)
      this.setData({ message: statusCode === 200 ? this.data.texts.known_as + data.sub : describe(data || {}, language) })
    } catch (error) {
      this.setData({ message: describe(error, language) })
    }
  },

  async show(signIn) {
    try {
      const { registered, profile } = await signIn()
      // setData takes no undefined.
      this.setData({ state: registered ? 'in' : 'unknown', profile: profile || null, message: '' })
    } catch (error) {
      const state = this.data.state === 'loading' ? 'failed' : this.data.state
      this.setData({ state, message: describe(error, language) })
    }
  },
})
