const fastify = require("fastify")()

{recipe}

fastify.get("/refresh", async function (request) {
  await this.minifed.getNewAccessTokenUsingRefreshToken({ refresh_token: refreshToken, expires_in: 0 })
  return "refreshed"
})

let refreshToken
fastify.addHook("onReady", async () => {
  const exchange = fastify.minifed.getAccessTokenFromAuthorizationCodeFlow.bind(fastify.minifed)
  fastify.minifed.getAccessTokenFromAuthorizationCodeFlow = async (...parameters) => {
    const result = await exchange(...parameters)
    refreshToken = result.token.refresh_token
    return result
  }
})
fastify.listen({ port: process.env.PORT, host: "localhost" })
