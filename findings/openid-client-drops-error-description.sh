#!/bin/sh
# openid-client 6.9.0 (npm, on oauth4webapi) loses error_description when a token error has a WWW-Authenticate header.
# RFC 6749 section 5.2 asks for both: 401 with the header, and a JSON body with error and error_description. With the header the
# library throws an error that has the challenges, and error_description is undefined. Without the header it throws another one
# that has error_description. The body can still be read from error.response.
# Matters for servers that explain in error_description why a client was rejected.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
echo '{"private": true, "type": "module"}' > package.json
npm install --silent --no-audit --no-fund openid-client@6.9.0
cat > main.js <<'EOF'
import * as client from 'openid-client'

const issuer = 'https://id.example.com'
for (const challenge of [undefined, 'Basic realm="token"']) {
  const config = new client.Configuration({ issuer, token_endpoint: issuer + '/token' }, 'shop', 'secret')
  config[client.customFetch] = async () => new Response(
    JSON.stringify({ error: 'invalid_client', error_description: 'the secret is wrong' }),
    { status: 401, headers: { 'Content-Type': 'application/json', ...(challenge && { 'WWW-Authenticate': challenge }) } })
  await client.clientCredentialsGrant(config).catch((err) =>
    console.log(`challenge ${challenge ? 'sent' : 'absent'}: ${err.name}, error_description ${err.error_description}`))
}
EOF
node main.js | tee seen.txt
cat > want.txt <<'EOF'
challenge absent: ResponseBodyError, error_description the secret is wrong
challenge sent: WWWAuthenticateChallengeError, error_description undefined
EOF
diff want.txt seen.txt || { echo "CHANGED"; exit 1; }
