// Run by relyingparty_test.go: two certified client libraries against minifed, and the API that accepts its access tokens.
import assert from 'node:assert/strict'
import test from 'node:test'
import { importJWK } from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { Browser } from './browser.js'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, SIGNED_OUT_URI, LOGIN, PASSWORD, API, AUDIENCE, KEYED } = process.env
const insecure = { execute: [client.allowInsecureRequests] }

async function signIn(url, browser = new Browser()) {
  let page = await browser.open(url, REDIRECT_URI)
  if (page.body?.includes('name="password"')) page = await browser.submit(page, { username: LOGIN, password: PASSWORD }, REDIRECT_URI)
  if (page.body?.includes('id="consent-form"')) page = await browser.submit(page, {}, REDIRECT_URI, 'allow')
  if (page.body) page = await browser.submit(page, {}, REDIRECT_URI) // The page of response_mode=form_post.
  return { callback: new URL(page.url), posted: page.posted, browser }
}

async function discover() {
  return client.discovery(new URL(ISSUER), CLIENT_ID, undefined, client.ClientSecretBasic(CLIENT_SECRET), insecure)
}

test('openid-client: sign in, UserInfo, refresh, introspect, revoke', async () => {
  const config = await discover()
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  const nonce = client.randomNonce()
  const parameters = new URLSearchParams({
    redirect_uri: REDIRECT_URI,
    scope: 'openid profile offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    prompt: 'consent',
    state,
    nonce,
  })
  // The API and UserInfo each accept only tokens for them.
  for (const resource of [AUDIENCE, ISSUER]) parameters.append('resource', resource)
  const url = client.buildAuthorizationUrl(config, parameters)
  const { callback } = await signIn(url.href)
  assert.equal(callback.searchParams.get('iss'), ISSUER)
  const tokens = await client.authorizationCodeGrant(config, callback, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
  })
  const { sub } = tokens.claims()
  const userInfo = await client.fetchUserInfo(config, tokens.access_token, sub)
  assert.equal(userInfo.preferred_username, LOGIN)

  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
  assert.equal(refreshed.claims().sub, sub)
  assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, true)

  const orders = await fetch(`${API}/orders`, { headers: { authorization: `Bearer ${refreshed.access_token}` } })
  assert.equal(orders.status, 200)
  assert.equal((await orders.json()).sub, sub)

  await client.tokenRevocation(config, refreshed.refresh_token)
  assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, false)
  await assert.rejects(client.refreshTokenGrant(config, refreshed.refresh_token), { error: 'invalid_grant' })
})

test('openid-client: a pushed authorization request', async () => {
  const config = await discover()
  const verifier = client.randomPKCECodeVerifier()
  const url = await client.buildAuthorizationUrlWithPAR(config, {
    redirect_uri: REDIRECT_URI,
    scope: 'openid',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  const { callback } = await signIn(url.href)
  const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier, idTokenExpected: true })
  assert.ok(tokens.claims().sub)
})

for (const { client_id, jwk } of JSON.parse(KEYED))
  test(`openid-client: private_key_jwt with ${jwk.alg} at every endpoint that authenticates clients`, async () => {
    const key = { key: await importJWK(jwk, jwk.alg), kid: jwk.kid }
    const config = await client.discovery(new URL(ISSUER), client_id, undefined, client.PrivateKeyJwt(key), insecure)
    const verifier = client.randomPKCECodeVerifier()
    const url = await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: REDIRECT_URI,
      scope: 'openid offline_access',
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      prompt: 'consent',
    })
    const { callback } = await signIn(url.href)
    const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier, idTokenExpected: true })
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
    assert.notEqual(refreshed.refresh_token, tokens.refresh_token)
    assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, true)
    await client.tokenRevocation(config, refreshed.refresh_token)
    assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, false)
  })

test('openid-client: form_post, max_age and claims, then logout', async () => {
  const config = await discover()
  client.enableNonRepudiationChecks(config)
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: 'openid',
    response_mode: 'form_post',
    max_age: '600',
    claims: JSON.stringify({ id_token: { preferred_username: null }, userinfo: { updated_at: { essential: true } } }),
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
  })
  const { callback, posted, browser } = await signIn(url.href)
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const request = new Request(callback, { method: 'POST', body: posted, headers })
  const tokens = await client.authorizationCodeGrant(config, request, { pkceCodeVerifier: verifier, expectedState: state, maxAge: 600 })
  const { sub, preferred_username } = tokens.claims()
  assert.equal(preferred_username, LOGIN)
  const { updated_at } = await client.fetchUserInfo(config, tokens.access_token, sub)
  assert.equal(typeof updated_at, 'number')

  const parameters = { id_token_hint: tokens.id_token, post_logout_redirect_uri: SIGNED_OUT_URI, state }
  const page = await browser.open(client.buildEndSessionUrl(config, parameters).href, SIGNED_OUT_URI)
  assert.equal(page.url, `${SIGNED_OUT_URI}?state=${state}`)
  await assert.rejects(client.fetchUserInfo(config, tokens.access_token, sub), client.WWWAuthenticateChallengeError)
})

test('openid-client: prompt=none without a session is login_required', async () => {
  const config = await discover()
  const verifier = client.randomPKCECodeVerifier()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: 'openid',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    prompt: 'none',
  })
  const page = await new Browser().open(url.href, REDIRECT_URI)
  await assert.rejects(client.authorizationCodeGrant(config, new URL(page.url), { pkceCodeVerifier: verifier }), { error: 'login_required' })
})

test('openid-client: client_credentials', async () => {
  const tokens = await client.clientCredentialsGrant(await discover(), { resource: AUDIENCE })
  assert.equal(tokens.token_type, 'bearer')
})

test('oauth4webapi: sign in with a wrong secret rejected, client_secret_post accepted', async () => {
  const options = { [oauth.allowInsecureRequests]: true }
  const issuer = new URL(ISSUER)
  const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options))
  const me = { client_id: CLIENT_ID }
  const verifier = oauth.generateRandomCodeVerifier()
  const nonce = oauth.generateRandomNonce()
  const url = new URL(server.authorization_endpoint)
  for (const [name, value] of Object.entries({
    client_id: CLIENT_ID,
    redirect_uri: REDIRECT_URI,
    response_type: 'code',
    scope: 'openid',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    nonce,
  }))
    url.searchParams.set(name, value)
  const { callback } = await signIn(url.href)
  const parameters = oauth.validateAuthResponse(server, me, callback, oauth.expectNoState)
  const exchange = authentication => oauth.authorizationCodeGrantRequest(server, me, authentication, parameters, REDIRECT_URI, verifier, options)
  await assert.rejects(
    oauth.processAuthorizationCodeResponse(server, me, await exchange(oauth.ClientSecretBasic('wrong'))),
    oauth.WWWAuthenticateChallengeError,
  )
  const result = await oauth.processAuthorizationCodeResponse(server, me, await exchange(oauth.ClientSecretPost(CLIENT_SECRET)), {
    expectedNonce: nonce,
    requireIdToken: true,
  })
  assert.ok(oauth.getValidatedIdTokenClaims(result).sub)
})

test('the API refuses what is no access token for it', async () => {
  const config = await discover()
  const verifier = client.randomPKCECodeVerifier()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: 'openid',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  const { callback } = await signIn(url.href)
  const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier, idTokenExpected: true })
  const [head, body, signature] = tokens.access_token.split('.')
  for (const [name, authorization] of Object.entries({
    nothing: '',
    'an ID token': `Bearer ${tokens.id_token}`,
    'a token for somebody else': `Bearer ${tokens.access_token}`,
    'a forged signature': `Bearer ${head}.${body}.${[...signature].reverse().join('')}`,
    rubbish: 'Bearer x',
  })) {
    const { status } = await fetch(`${API}/orders`, { headers: { authorization } })
    assert.equal(status, 401, name)
  }
})
