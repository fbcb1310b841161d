import Taro from '@tarojs/taro'
import { Auth } from 'minifed-miniprogram'
import { redirect } from 'minifed-miniprogram/web'

// An H5 build includes only the functions that the source names.
const wx = {
  login: Taro.login,
  request: Taro.request,
  getStorageSync: Taro.getStorageSync,
  setStorageSync: Taro.setStorageSync,
  removeStorageSync: Taro.removeStorageSync,
  getEnv: Taro.getEnv,
}

export const auth = new Auth({ wx, backend: BACKEND, web: redirect({ issuer: ISSUER, clientId: 'h5' }) })
