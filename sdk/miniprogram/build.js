// Builds dist: ES modules, CommonJS modules, and the types of both, from the same source.
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const tsc = createRequire(import.meta.url).resolve('typescript/lib/tsc.js')

rmSync(`${folder}dist`, { recursive: true, force: true })
const formats = {
  esm: { type: 'module', options: [] },
  cjs: { type: 'commonjs', options: ['--module', 'commonjs', '--moduleResolution', 'node10'] },
}
for (const [name, { type, options }] of Object.entries(formats)) {
  const out = `${folder}dist/${name}`
  execFileSync(process.execPath, [tsc, '-p', folder, '--outDir', out, ...options], { stdio: 'inherit' })
  mkdirSync(out, { recursive: true })
  writeFileSync(`${out}/package.json`, JSON.stringify({ type }))
}
