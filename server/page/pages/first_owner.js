// Copies the secret of the link from the fragment of the address into the form, and removes it from the address and the history.
"use strict";
(() => {
  const field = document.getElementById("link_secret");
  const secret = location.hash.slice(1);
  if (!field || !secret) {
    return;
  }
  field.value = decodeURIComponent(secret);
  field.parentElement.hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
  document.getElementById("username").focus();
})();
