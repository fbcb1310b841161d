import { ExpressAuth, getSession } from "@auth/express"
import express from "express"
import { config } from "./auth.js"

const app = express()
config.secret = "a secret of the interoperability test"
app.use(/^\/api\/auth\/(.*)/, ExpressAuth(config))
app.get("/", async (request, response) => response.json(await getSession(request, config)))
app.listen(process.env.PORT)
