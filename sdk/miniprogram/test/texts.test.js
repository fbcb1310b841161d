import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { AuthError, describe, describePhone } from '../dist/esm/index.js'

const chinese = /[\u4e00-\u9fff]/

test('an error has a text of its own in Chinese and in English', () => {
  const source = readFileSync(new URL('../src/texts.ts', import.meta.url), 'utf8')
  const keys = [...source.matchAll(/^ {2}([a-z_]+): '/gm)].map(([, key]) => key)
  assert.ok(keys.length > 40)
  for (const key of new Set(keys)) {
    for (const error of [new AuthError(400, { error: key }), new AuthError(400, { error: 'invalid_request', reason: key, error_description: 'for developers' })]) {
      assert.match(describe(error, 'zh_CN'), chinese)
      assert.doesNotMatch(describe(error, 'en'), chinese)
      assert.doesNotMatch(describe(error, 'en'), /for developers/)
    }
  }
})

test('an unknown error has a general text', () => {
  for (const error of [new AuthError(500, {}), new AuthError(400, { error: 'toString', reason: 'constructor' }), new Error('x'), undefined]) {
    assert.equal(describe(error, 'en'), 'The action failed. Try again.')
  }
})

test('a phone number button without a code has the text of its cause', () => {
  const details = [
    { errno: 1400001, errMsg: 'getPhoneNumber:fail jsapi has no quota' },
    { errno: 112, errMsg: 'getPhoneNumber:fail api scope is not declared in the privacy agreement' },
    { errMsg: 'getPhoneNumber:fail no permission' },
    { errMsg: 'getPhoneNumber:fail' },
  ]
  assert.equal(new Set(details.map(detail => describePhone(detail, 'en'))).size, details.length)
  assert.equal(describePhone({ errMsg: 'getPhoneNumber:fail user deny' }, 'en'), '')
})
