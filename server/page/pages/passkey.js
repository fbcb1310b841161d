// Asks the browser for a passkey and sends its response with the form of the page. The server verifies everything.
"use strict";
(() => {
  const form = document.querySelector("form[data-passkey]");
  const button = document.getElementById("passkey");
  if (!form || !button) {
    return;
  }
  const notices = ["passkey-unsupported", "passkey-cancelled", "passkey-known", "passkey-failed"];
  const show = (id) => {
    for (const notice of notices) {
      document.getElementById(notice).hidden = notice !== id;
    }
  };
  if (!window.PublicKeyCredential || !navigator.credentials) {
    button.disabled = true;
    show("passkey-unsupported");
    return;
  }
  const decode = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const encode = (buffer) => {
    const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(letters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const descriptors = (list) => (list || []).map((one) => ({ ...one, id: decode(one.id) }));
  const creating = form.dataset.passkey === "create";

  const ask = async () => {
    const options = JSON.parse(form.dataset.options);
    options.challenge = decode(options.challenge);
    if (creating) {
      options.user.id = decode(options.user.id);
      options.excludeCredentials = descriptors(options.excludeCredentials);
      return navigator.credentials.create({ publicKey: options });
    }
    options.allowCredentials = descriptors(options.allowCredentials);
    return navigator.credentials.get({ publicKey: options });
  };
  const responseOf = (credential) => {
    const given = credential.response;
    const response = { clientDataJSON: encode(given.clientDataJSON) };
    if (creating) {
      response.attestationObject = encode(given.attestationObject);
      response.transports = given.getTransports ? given.getTransports() : [];
    } else {
      response.authenticatorData = encode(given.authenticatorData);
      response.signature = encode(given.signature);
      response.userHandle = given.userHandle ? encode(given.userHandle) : "";
    }
    return JSON.stringify({ id: credential.id, rawId: encode(credential.rawId), type: credential.type, response, clientExtensionResults: {} });
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    show("");
    button.disabled = true;
    try {
      form.elements.credential.value = responseOf(await ask());
      form.submit();
    } catch (error) {
      button.disabled = false;
      const known = { NotAllowedError: "passkey-cancelled", AbortError: "passkey-cancelled", InvalidStateError: "passkey-known" };
      show(known[error.name] || "passkey-failed");
    }
  });
})();
