const { auth } = getApp()

Page({
  data: { state: 'loading', profile: null, nickname: '', picture: '', message: '' },

  async onLoad() {
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
    if (!detail.code) return // The user said no.
    await this.show(() => auth.bindPhone(detail.code))
  },

  async onHello() {
    const { data } = await auth.request('/me')
    this.setData({ message: `The backend knows you as ${data.sub}` })
  },

  async show(signIn) {
    try {
      const { registered, profile } = await signIn()
      this.setData({ state: registered ? 'in' : 'unknown', profile, message: '' })
    } catch (error) {
      this.setData({ message: error.message })
    }
  },
})
