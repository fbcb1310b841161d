import assert from 'node:assert/strict'
import test from 'node:test'
import { sceneOf } from '../dist/esm/index.js'

test('the scene is found in what WeChat gives to onLoad', () => {
  const scene = 'AbC-_123'
  assert.equal(sceneOf({ scene }), scene)
  assert.equal(sceneOf({ scene: encodeURIComponent(scene) }), scene)
  assert.equal(sceneOf({ q: encodeURIComponent(`https://id.example/scan/${scene}`) }), scene)
  assert.equal(sceneOf({ q: encodeURIComponent(`https://id.example/d/shop/scan/${scene}?x=1`) }), scene)
  assert.equal(sceneOf({ q: `https://id.example/scan/${scene}` }), scene)
})

test('a page that was opened otherwise has no scene', () => {
  for (const options of [undefined, {}, { scene: '' }, { scene: '%' }, { q: encodeURIComponent('https://id.example/shop') }, { q: '%E0%A4%A' }, { id: '7' }]) {
    assert.equal(sceneOf(options), undefined, JSON.stringify(options))
  }
})
