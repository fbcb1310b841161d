// A single-page app that signs its users in with nothing but an issuer and a client ID. oidc-client-ts does the rest:
// authorization code with PKCE, refresh tokens, UserInfo, and logout.
import { UserManager, WebStorageStateStore } from 'oidc-client-ts'

const { issuer, clientID } = await (await fetch('/config.json')).json()

const manager = new UserManager({
  authority: issuer,
  client_id: clientID,
  redirect_uri: `${location.origin}/callback`,
  post_logout_redirect_uri: `${location.origin}/`,
  scope: 'openid profile',
  // Session storage keeps the tokens from other tabs and ends with this one.
  userStore: new WebStorageStateStore({ store: sessionStorage }),
  automaticSilentRenew: true,
})

const element = id => document.getElementById(id)

element('login').onclick = () => manager.signinRedirect()
element('logout').onclick = () => manager.signoutRedirect()
element('renew').onclick = () => attempt(async () => show(await manager.signinSilent(), 'renewed'))
element('profile').onclick = () =>
  attempt(async () => {
    const user = await manager.getUser()
    const answer = await fetch(await manager.metadataService.getUserInfoEndpoint(), { headers: { Authorization: `Bearer ${user.access_token}` } })
    say(`UserInfo: ${JSON.stringify(await answer.json())}`)
  })

await attempt(async () => {
  if (location.pathname === '/callback') {
    const user = await manager.signinCallback()
    history.replaceState(null, '', '/')
    return show(user, 'signed in')
  }
  return show(await manager.getUser(), 'signed in')
})

async function attempt(what) {
  try {
    await what()
  } catch (error) {
    history.replaceState(null, '', '/')
    show(null)
    say(`Error: ${error.message}`)
  }
}

function show(user, state) {
  const signedIn = Boolean(user && !user.expired)
  element('login').hidden = signedIn
  for (const id of ['logout', 'renew', 'profile']) element(id).hidden = !signedIn
  element('claims').replaceChildren(...(signedIn ? claims(user.profile) : []))
  say(signedIn ? state : 'signed out')
}

function claims(profile) {
  return Object.entries(profile).flatMap(([name, value]) => {
    const term = document.createElement('dt')
    const text = document.createElement('dd')
    term.textContent = name
    text.textContent = String(value)
    text.dataset.claim = name
    return [term, text]
  })
}

function say(text) {
  element('state').textContent = text
}
