#!/bin/sh
# @openid/appauth 1.4.0 (npm, AppAuth-JS) cannot be imported in Node.js, although its README names Node.js CLI applications.
# It is an ES module, but its files import each other without a file extension, which Node.js does not resolve.
# Seen with Node.js 20: ERR_MODULE_NOT_FOUND, "Cannot find module …/built/src/authorization_request".
# Remedy: bundle the program; the second half of the script shows that it works with esbuild.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
echo '{"private": true}' > package.json
npm install --silent --no-audit --no-fund @openid/appauth@1.4.0 esbuild@0.28.2
cat > program.mjs <<'END'
import { AuthorizationServiceConfiguration } from '@openid/appauth'
console.log('loaded:', AuthorizationServiceConfiguration.name)
END
if node program.mjs 2> error.txt; then echo "CHANGED: it loads"; exit 1; fi
grep "Cannot find module .*/built/src/authorization_request" error.txt || { echo "CHANGED:"; cat error.txt; exit 1; }

npx esbuild program.mjs --bundle --platform=node --outfile=bundle.cjs --log-level=error
echo "bundled:"; node bundle.cjs
