export { Auth } from './auth.js';
export { AuthError } from './errors.js';
export { sceneOf } from './scene.js';
export { describe, describePhone } from './texts.js';
