// Serves the app: MINIFED_ISSUER=https://id.example.com MINIFED_CLIENT_ID=… node serve.js
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'

const folder = new URL('./', import.meta.url)
const config = { issuer: process.env.MINIFED_ISSUER, clientID: process.env.MINIFED_CLIENT_ID }
if (!config.issuer || !config.clientID) {
  console.error('Set MINIFED_ISSUER and MINIFED_CLIENT_ID.')
  process.exit(2)
}

const files = {
  '/': ['index.html', 'text/html'],
  '/callback': ['index.html', 'text/html'],
  '/app.js': ['app.js', 'text/javascript'],
  '/style.css': ['style.css', 'text/css'],
  '/modules/oidc-client-ts/dist/esm/oidc-client-ts.js': ['node_modules/oidc-client-ts/dist/esm/oidc-client-ts.js', 'text/javascript'],
  '/modules/jwt-decode/build/esm/index.js': ['node_modules/jwt-decode/build/esm/index.js', 'text/javascript'],
}

createServer(async (request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost')
  if (pathname === '/config.json') {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    return response.end(JSON.stringify(config))
  }
  const [file, type] = files[pathname] ?? []
  if (!file) {
    response.writeHead(404)
    return response.end()
  }
  // The page may speak to itself and to the issuer, and nowhere else.
  response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8`, 'Cache-Control': 'no-store' })
  return response.end(await readFile(new URL(file, folder)))
}).listen(Number(process.env.PORT ?? 3000), '127.0.0.1', function () {
  console.log(`open http://127.0.0.1:${this.address().port}/`)
})
