// Bundles the program of a single-page app and serves it at every path.
import { build } from "esbuild"
import { createServer } from "node:http"

const { outputFiles } = await build({ entryPoints: [process.argv[2]], bundle: true, format: "esm", jsx: "automatic", write: false })
createServer((request, response) => {
  if (request.url === "/app.js") {
    response.writeHead(200, { "content-type": "text/javascript" }).end(outputFiles[0].contents)
    return
  }
  response.writeHead(200, { "content-type": "text/html" }).end('<!doctype html><title>app</title><body><div id="root"></div><script type="module" src="/app.js"></script>')
}).listen(process.env.PORT, "localhost")
