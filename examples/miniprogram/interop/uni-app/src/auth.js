import { Auth } from 'minifed-miniprogram'
import { redirect } from 'minifed-miniprogram/web'

// An H5 build includes only the functions that the source names.
const wx = {
  login: uni.login,
  request: uni.request,
  getStorageSync: uni.getStorageSync,
  setStorageSync: uni.setStorageSync,
  removeStorageSync: uni.removeStorageSync,
  getAppBaseInfo: uni.getAppBaseInfo,
}

export const auth = new Auth({ wx, backend: import.meta.env.VITE_BACKEND, web: redirect({ issuer: import.meta.env.VITE_ISSUER, clientId: 'h5' }) })
