// A uni-app project in TypeScript: the types of `uni` fit the kit, and the same project signs in as a web page.
/// <reference types="@dcloudio/types" />
import { Auth } from 'minifed-miniprogram'
import { redirect } from 'minifed-miniprogram/web'

export const auth = new Auth({ wx: uni, backend: 'https://shop.example.com/auth', web: redirect({ issuer: 'https://id.example.com', clientId: 'shop-h5' }) })
