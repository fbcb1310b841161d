import express from "express"
import session from "express-session"
import { finish, refresh, signOut, start } from "./sign-in.js"

const app = express()
app.use(session({ secret: "interop", resave: false, saveUninitialized: true }))
app.get("/login", async (request, response) => response.redirect((await start(request.session)).href))
app.get("/callback", async (request, response) => {
  request.session.user = await finish(request.session, new URL(request.originalUrl, process.env.APPLICATION))
  response.redirect("/")
})
app.get("/", (request, response) => response.json(request.session.user ?? null))
app.get("/refresh", async (request, response) => {
  await refresh(request.session)
  response.send("refreshed")
})
app.get("/logout", async (request, response) => response.redirect((await signOut(request.session)).href))
app.listen(process.env.PORT)
