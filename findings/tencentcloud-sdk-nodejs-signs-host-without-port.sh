#!/bin/sh
# tencentcloud-sdk-nodejs-sms 4.1.306 (npm): with an endpoint that has a port, the TC3-HMAC-SHA256 signature covers a host without the port.
# The header Host is among the signed headers, and the request sends it with the port. So a server that verifies the request as it
# arrives, such as a private gateway or a test server on its own port, rejects every signature.
# Remedy: give the endpoint the standard port, or let the server verify with the host name alone.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
npm init -y > log.txt && npm install --silent tencentcloud-sdk-nodejs-sms@4.1.306 >> log.txt 2>&1 || { cat log.txt; exit 1; }
cat > main.js <<'EOF'
const { createHash, createHmac } = require('node:crypto');
const { createServer } = require('node:http');
const { sms } = require('tencentcloud-sdk-nodejs-sms');

const secretKey = 'secret-key-of-an-example';
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const hmac = (key, text) => createHmac('sha256', key).update(text);

// signature computes TC3-HMAC-SHA256 over the headers that the request names as signed, with the given host.
function signature(request, body, host) {
  const [, scope, signed] = request.headers.authorization.match(/Credential=[^/]+\/([^,]+), *SignedHeaders=([^,]+),/);
  const headers = signed.split(';').map((name) => `${name}:${name === 'host' ? host : request.headers[name]}\n`.toLowerCase()).join('');
  const canonical = [request.method, '/', '', headers, signed, sha256(body)].join('\n');
  const [date, service] = scope.split('/');
  const text = ['TC3-HMAC-SHA256', request.headers['x-tc-timestamp'], scope, sha256(canonical)].join('\n');
  const key = hmac(hmac(hmac('TC3' + secretKey, date).digest(), service).digest(), 'tc3_request').digest();
  return { signed, value: hmac(key, text).digest('hex') };
}

const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const body = Buffer.concat(parts);
    const sent = request.headers.authorization.match(/Signature=(\w+)/)[1];
    const host = request.headers.host;
    console.log('signed headers:', signature(request, body, host).signed);
    console.log('Host has a port:', /:\d+$/.test(host));
    console.log('signature of Host as sent:', signature(request, body, host).value === sent);
    console.log('signature of Host without port:', signature(request, body, host.replace(/:\d+$/, '')).value === sent);
    response.end(JSON.stringify({ Response: { SendStatusSet: [{ Code: 'Ok' }], RequestId: 'r' } }));
  });
});

server.listen(0, '127.0.0.1', async () => {
  const client = new sms.v20210111.Client({
    credential: { secretId: 'id', secretKey }, region: 'ap-guangzhou',
    profile: { httpProfile: { protocol: 'http://', endpoint: `127.0.0.1:${server.address().port}` } },
  });
  await client.SendSms({ PhoneNumberSet: ['+8613800000000'], SmsSdkAppId: '1400000000', TemplateId: '1', SignName: 'Shop' });
  server.close();
});
EOF
node main.js | tee seen.txt
cat > want.txt <<'EOF'
signed headers: content-type;host
Host has a port: true
signature of Host as sent: false
signature of Host without port: true
EOF
diff want.txt seen.txt || { echo "CHANGED"; exit 1; }
