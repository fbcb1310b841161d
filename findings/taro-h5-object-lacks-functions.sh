#!/bin/sh
# In the H5 build of Taro 4.2.1 the object `Taro` has no request, login or getStorageSync. In the mini-program builds it has them.
# babel-plugin-transform-taroapi replaces each Taro.request of the source by a named import. A library that is given `Taro` as a whole, as
# in `new Client(Taro)`, works in the mini-program and throws "is not a function" in the web page.
# Remedy for libraries: let the caller pass an object that names the functions, { request: Taro.request }.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts --legacy-peer-deps babel-plugin-transform-taroapi@4.2.1 @babel/core@7.28.5 @tarojs/taro-h5@4.2.1
cat > main.cjs <<'EOF'
const { transformSync } = require('@babel/core')
const { readFileSync } = require('node:fs')

// As @tarojs/plugin-platform-h5 configures it, with one function.
const plugin = [require('babel-plugin-transform-taroapi'), { packageName: '@tarojs/taro', definition: { apis: { request: '*' } } }]
for (const use of ['send(Taro.request)', 'send(Taro)']) {
  const { code } = transformSync(`import Taro from '@tarojs/taro'\n${use}`, { plugins: [plugin], configFile: false, babelrc: false })
  console.log(`${use} becomes ${code.replace(/\n/g, ' ')}`)
}

const source = readFileSync(require.resolve('@tarojs/taro-h5/dist/index.esm.js'), 'utf8')
const members = /^const taro = \{([^}]*)\}/m.exec(source)[1]
for (const name of ['getEnv', 'request', 'login']) console.log(`the default export has ${name}: ${new RegExp(`\\b${name}\\b`).test(members)}`)
EOF
node main.cjs | tee seen.txt
cat > want.txt <<'EOF'
send(Taro.request) becomes import Taro, { request as _request } from '@tarojs/taro'; send(_request);
send(Taro) becomes import Taro from '@tarojs/taro'; send(Taro);
the default export has getEnv: true
the default export has request: false
the default export has login: false
EOF
diff want.txt seen.txt || { echo "CHANGED"; exit 1; }
