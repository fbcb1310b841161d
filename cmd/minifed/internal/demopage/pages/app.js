// A single-page app that knows only an issuer and its client_id: authorization code with PKCE, without a library. It verifies the ID
// token with the keys of the issuer.
const config = JSON.parse(document.getElementById("config").textContent);
const redirectURI = location.origin + "/callback";
const storage = [config.client_id, config.run, config.device, window.name].join(" ");

const element = (id) => document.getElementById(id);
const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));
const decode = (part) => Uint8Array.from(atob(part.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const decodeJSON = (part) => JSON.parse(new TextDecoder().decode(decode(part)));

async function metadata() {
  const found = await json(fetch(config.issuer + "/.well-known/openid-configuration"));
  if (found.issuer !== config.issuer) throw new Error("issuer");
  return found;
}

async function json(request) {
  const response = await request;
  const body = await response.json();
  if (!response.ok) throw new Error(body.error_description || body.error);
  return body;
}

async function signIn() {
  const { authorization_endpoint } = await metadata();
  const asked = { state: random(), nonce: random(), verifier: random() };
  sessionStorage.setItem(storage, JSON.stringify({ asked }));
  const challenge = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(asked.verifier));
  location.assign(`${authorization_endpoint}?${new URLSearchParams({
    response_type: "code", client_id: config.client_id, redirect_uri: redirectURI, scope: "openid profile",
    state: asked.state, nonce: asked.nonce, code_challenge: base64url(challenge), code_challenge_method: "S256", ui_locales: config.language,
  })}`);
}

async function finish() {
  const sent = new URLSearchParams(location.search);
  const { asked } = JSON.parse(sessionStorage.getItem(storage) || "{}");
  history.replaceState(null, "", "/");
  if (!asked || sent.get("state") !== asked.state) return;
  sessionStorage.removeItem(storage);
  if (sent.get("error")) throw new Error(sent.get("error"));
  const server = await metadata();
  const tokens = await json(fetch(server.token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code", code: sent.get("code"), redirect_uri: redirectURI, client_id: config.client_id, code_verifier: asked.verifier,
    }),
  }));
  const claims = await verify(tokens.id_token, asked.nonce, await json(fetch(server.jwks_uri)));
  sessionStorage.setItem(storage, JSON.stringify({ claims, idToken: tokens.id_token }));
}

// verify follows OpenID Connect Core §3.1.3.7.
async function verify(idToken, nonce, { keys }) {
  const [header, payload, signature] = idToken.split(".");
  const key = keys.find(({ kid }) => kid === decodeJSON(header).kid);
  const imported = await crypto.subtle.importKey("jwk", key, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, false, ["verify"]);
  const signed = new TextEncoder().encode(`${header}.${payload}`);
  const claims = decodeJSON(payload);
  const good = await crypto.subtle.verify("RSASSA-PKCS1-v1_5", imported, decode(signature), signed);
  const now = Date.now() / 1000;
  if (!good || claims.iss !== config.issuer || claims.aud !== config.client_id || claims.nonce !== nonce || claims.exp < now) throw new Error("ID token");
  return claims;
}

async function signOut() {
  const { idToken } = JSON.parse(sessionStorage.getItem(storage));
  sessionStorage.removeItem(storage);
  report({ type: "signed-out" });
  const { end_session_endpoint } = await metadata();
  location.assign(`${end_session_endpoint}?${new URLSearchParams({ id_token_hint: idToken, post_logout_redirect_uri: location.origin + "/", ui_locales: config.language })}`);
}

// report informs the page of the demonstration that frames the app.
function report(message) {
  if (parent !== window) parent.postMessage({ ...message, client: config.client_id, device: config.device, address: location.href }, config.page);
}

function show() {
  const { claims } = JSON.parse(sessionStorage.getItem(storage) || "{}");
  element("working").hidden = true;
  element("signed-in").hidden = !claims;
  element("signed-out").hidden = Boolean(claims);
  if (!claims) return;
  element("hello").textContent = config.texts["app.hello"].replace("%s", claims.nickname || claims.name || "");
  for (const name of ["sub", "iss", "aud", "amr"]) element(name).textContent = [].concat(claims[name]).join(" ");
  report({ type: "signed-in", sub: claims.sub, amr: claims.amr });
}

async function attempt(act) {
  element("problem").hidden = true;
  try {
    await act();
  } catch (error) {
    element("problem").textContent = `${config.texts["app.failed"]} (${error.message})`;
    element("problem").hidden = false;
  }
}

element("origin").textContent = location.origin;
element("sign-in").addEventListener("click", () => attempt(signIn));
element("sign-out").addEventListener("click", () => attempt(signOut));
if (location.pathname === "/callback") await attempt(finish);
show();
report({ type: "ready" });
addEventListener("message", ({ origin, data }) => {
  if (origin === config.page && data.type === "forget") sessionStorage.clear();
});
