import express from "express"
import handler from "./auth.js"

const app = express()
app.use(express.urlencoded({ extended: true }), (request, response, next) => {
  request.cookies = Object.fromEntries((request.headers.cookie ?? "").split("; ").map((pair) => pair.split("=").map(decodeURIComponent)))
  next()
})
app.all("/api/auth/*path", (request, response) => {
  Object.defineProperty(request, "query", { value: { ...request.query, nextauth: request.params.path } })
  return handler(request, response)
})
app.get("/", async (request, response) => {
  const session = await fetch(`${process.env.APPLICATION}/api/auth/session`, { headers: { cookie: request.headers.cookie } })
  response.json(await session.json())
})
app.listen(process.env.PORT)
