const assert = require('node:assert/strict')
const test = require('node:test')

test('CommonJS has what the ES modules have', async () => {
  for (const [required, imported] of [['minifed-miniprogram', '../dist/esm/index.js'], ['minifed-miniprogram/web', '../dist/esm/web.js'], ['minifed-miniprogram/backend', '../dist/esm/backend.js']]) {
    assert.deepEqual(Object.keys(require(required)).sort(), Object.keys(await import(imported)).sort())
  }
})
