// The pages work without this script. It makes them quicker: it prepares the next page when a link is about to be followed, searches
// while the operator types, copies values, and shows times in the time zone of the browser.
"use strict";

(() => {
  const texts = document.documentElement.lang.startsWith("zh")
    ? { copy: "复制", copied: "已复制", leave: "有未保存的修改" }
    : { copy: "Copy", copied: "Copied", leave: "There are changes that are not saved" };

  function localizeTimes(root) {
    const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) {
        time.title = time.dateTime;
        time.textContent = format.format(at);
      }
    }
  }

  function addCopyButtons(root) {
    if (!navigator.clipboard) return;
    for (const part of root.querySelectorAll(".copy, pre.copyable")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "small";
      button.textContent = texts.copy;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(part.querySelector("code").textContent.trim());
        button.textContent = texts.copied;
        setTimeout(() => { button.textContent = texts.copy; }, 2000);
      });
      if (part.tagName === "PRE") part.after(button);
      else part.append(button);
    }
  }

  // Links of the console are fetched when the pointer rests on them, so that the browser has the page when it is asked for.
  const prepared = new Map();
  function prepare(link) {
    const address = link.href;
    if (!address.startsWith(location.origin + "/console/") || address.includes("/language?") || prepared.has(address)) return;
    const page = fetch(address, { headers: { Accept: "text/html" }, redirect: "error" })
      .then((response) => (response.ok ? response.text() : null))
      .catch(() => null);
    prepared.set(address, page);
    setTimeout(() => prepared.delete(address), 5000);
  }

  async function show(address, page, remember) {
    const text = await page;
    if (text === null) {
      location.href = address;
      return;
    }
    const next = new DOMParser().parseFromString(text, "text/html");
    document.title = next.title;
    document.body.replaceWith(next.body);
    if (remember) history.pushState(null, "", address);
    start(document.body);
    document.getElementById("main").setAttribute("tabindex", "-1");
    document.getElementById("main").focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  let changed = false;
  function start(root) {
    changed = false;
    localizeTimes(root);
    addCopyButtons(root);
    for (const form of root.querySelectorAll("form.record")) {
      form.addEventListener("input", () => { changed = true; });
      form.addEventListener("submit", () => { changed = false; });
    }
    const first = root.querySelector("#first-login:not([data-green])");
    if (first) waitForFirstLogin(first);
    const search = root.querySelector("form.search input[type=search]");
    if (search) searchWhileTyping(search);
  }

  // The page with the secrets stays; only the line about the first login is fetched again.
  function waitForFirstLogin(line) {
    const look = async () => {
      if (!line.isConnected) return;
      const response = await fetch(line.dataset.again, { headers: { Accept: "text/html" } }).catch(() => null);
      if (response && response.ok) {
        const next = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("first-login");
        if (next && next.dataset.green) {
          line.replaceWith(next);
          return;
        }
      }
      setTimeout(look, 2000);
    };
    setTimeout(look, 1000);
  }

  function searchWhileTyping(input) {
    let waiting = 0;
    let last = input.value;
    input.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(async () => {
        if (input.value === last) return;
        last = input.value;
        const address = input.form.action.split("?")[0] + "?" + new URLSearchParams(new FormData(input.form));
        const response = await fetch(address, { headers: { Accept: "text/html" } });
        if (!response.ok || input.value !== last) return;
        const next = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("results");
        const shown = document.getElementById("results");
        if (!next || !shown) return;
        shown.replaceWith(next);
        localizeTimes(next);
        history.replaceState(null, "", address);
      }, 180);
    });
  }

  for (const event of ["pointerover", "focusin"]) {
    document.addEventListener(event, (e) => {
      const link = e.target.closest && e.target.closest("a[href]");
      if (link && !link.hasAttribute("download")) prepare(link);
    });
  }
  document.addEventListener("click", (e) => {
    const link = e.target.closest && e.target.closest("a[href]");
    if (!link || e.defaultPrevented || e.button !== 0 || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey || changed) return;
    const page = prepared.get(link.href);
    if (!page || link.href.split("#")[0] === location.href.split("#")[0]) return;
    e.preventDefault();
    prepared.delete(link.href);
    show(link.href, page, true);
  });
  addEventListener("popstate", () => { location.reload(); });
  addEventListener("beforeunload", (e) => { if (changed) e.preventDefault(); });

  // The overview refreshes itself.
  const live = document.querySelector("[data-refresh]");
  if (live) setTimeout(() => location.reload(), 1000 * live.dataset.refresh);

  start(document.body);
})();
