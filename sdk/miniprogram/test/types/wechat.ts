// A native mini-program in TypeScript: the types of WeChat's `wx` fit the kit.
/// <reference types="miniprogram-api-typings" />
import { Auth, AuthError, describe, describePhone, sceneOf, type Login } from 'minifed-miniprogram'

const auth = new Auth({ wx, backend: 'https://shop.example.com/auth' })

Page({
  data: { message: '' },
  async onLoad(options: Record<string, string | undefined>) {
    const login: Login = await auth.login()
    if (login.registered) this.setData({ message: login.profile?.sub ?? '' })
    const scene = sceneOf(options)
    if (!scene) return
    const scan = await auth.scan(scene)
    const { digits } = await scan.approve({ number: '42', confirmed: scan.differs })
    this.setData({ message: digits ?? '' })
  },
  async onPhone({ detail }: WechatMiniprogram.CustomEvent<{ code?: string; errno?: number; errMsg?: string }>) {
    try {
      if (detail.code) await auth.bind({ phoneCode: detail.code })
      else this.setData({ message: describePhone(detail, 'zh_CN') })
    } catch (error) {
      this.setData({ message: error instanceof AuthError ? describe(error, 'zh_CN') : '' })
    }
  },
})

// @ts-expect-error A proof needs all of its members.
void auth.bind({ username: 'lin' })
