process.env.COOKIE_SECRET = "a cookie secret of the interoperability test"
const express = require("express")

const app = express()
{recipe}
app.get("/", async (request, response) => response.json(request.oidc.user ?? null))
app.get("/refresh", async (request, response) => {
  await request.oidc.accessToken.refresh()
  response.send("refreshed")
})
app.listen(process.env.PORT)
