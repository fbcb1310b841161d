export { Auth } from './auth.js';
export type { AuthOptions, Login, PhoneEvent, WebSignIn } from './auth.js';
export { AuthError } from './errors.js';
export type { ErrorBody } from './errors.js';
export { sceneOf } from './scene.js';
export type { Scan, ScanClient } from './scan.js';
export { describe, describePhone } from './texts.js';
export type { Profile, Tokens, UserUpdate } from './tokens.js';
export type { MiniProgram } from './wx.js';
