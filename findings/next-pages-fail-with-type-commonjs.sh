#!/bin/sh
# Next.js 15.5.29 does not build a page that uses import or export when package.json says "type": "commonjs".
# npm init of npm 11 writes that line. Without it the build works.
# Seen with Node.js 20 and the pages router: "'import' and 'export' may appear only with 'sourceType: module'".
# Remedy: delete the line from package.json, as the second half of the script does.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
export NEXT_TELEMETRY_DISABLED=1
echo '{"private": true, "type": "commonjs"}' > package.json
npm install --silent --no-audit --no-fund --save-exact next@15.5.29 react@19.2.0 react-dom@19.2.0
mkdir pages; echo 'export default function Page() { return null }' > pages/index.js
if npx next build > build.txt 2>&1; then echo "CHANGED: it builds"; exit 1; fi
grep "may appear only with 'sourceType: module'" build.txt || { echo "CHANGED:"; cat build.txt; exit 1; }

npm pkg delete type; rm -rf .next
npx next build > build.txt 2>&1 || { echo "CHANGED: it does not build without the line either"; cat build.txt; exit 1; }
echo 'without "type" it builds'
