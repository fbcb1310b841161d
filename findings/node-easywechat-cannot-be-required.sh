#!/bin/sh
# node-easywechat 3.6.2 (npm) cannot be loaded after a plain install.
# It depends on node-socialite ^1.4.1, and npm installs 1.5.3 for that range. 1.5 no longer has the file that 3.6.2 requires.
# Seen with Node.js 20: "Cannot find module 'node-socialite/dist/Core/ProviderInterface'".
# Remedy: {"overrides": {"node-socialite": "1.4.1"}} in package.json; the second half of the script shows that it works.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
install() { npm install --silent --no-audit --no-fund node-easywechat@3.6.2; }

echo '{"private": true}' > package.json; install
echo "node-socialite $(node -p 'require("./node_modules/node-socialite/package.json").version')"
if node -e 'require("node-easywechat")' 2> error.txt; then echo "CHANGED: it loads"; exit 1; fi
grep "Cannot find module 'node-socialite/dist/Core/ProviderInterface'" error.txt || { echo "CHANGED:"; cat error.txt; exit 1; }

rm -rf node_modules package-lock.json
echo '{"private": true, "overrides": {"node-socialite": "1.4.1"}}' > package.json; install
node -e 'require("node-easywechat"); console.log("with node-socialite 1.4.1 it loads")'
