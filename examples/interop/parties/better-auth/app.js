import { fromNodeHeaders, toNodeHandler } from "better-auth/node"
import express from "express"
import { auth } from "./auth.js"

const app = express()
const send = async (from, response) => {
  for (const cookie of from.headers.getSetCookie()) {
    response.append("set-cookie", cookie)
  }
  return from.json()
}
app.all("/api/auth/*path", toNodeHandler(auth))
app.get("/login", async (request, response) => {
  const begun = await auth.api.signInSocial({ body: { provider: "minifed", callbackURL: "/" }, headers: fromNodeHeaders(request.headers), asResponse: true })
  response.redirect((await send(begun, response)).url)
})
app.get("/", async (request, response) => response.json(await auth.api.getSession({ headers: fromNodeHeaders(request.headers) })))
app.get("/refresh", async (request, response) => {
  const refreshed = await auth.api.refreshToken({ body: { useAccountCookie: true }, headers: fromNodeHeaders(request.headers), asResponse: true })
  response.json(await send(refreshed, response))
})
app.get("/logout", async (request, response) => {
  response.json(await send(await auth.api.signOut({ headers: fromNodeHeaders(request.headers), asResponse: true }), response))
})
app.listen(process.env.PORT)
