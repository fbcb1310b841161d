// The phone: WeChat with a mini-program, a camera, and a browser. The mini-program calls its backend, which is package sdk/go.

const element = (id) => document.getElementById(id);

// post sends JSON and returns the response; a rejection has the reason.
async function post(path, body) {
  const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) });
  const content = response.headers.get("Content-Type")?.startsWith("application/json") ? await response.json() : {};
  if (!response.ok) throw Object.assign(new Error(content.error_description ?? path), { reason: content.reason ?? "other" });
  return content;
}

export class Phone {
  constructor({ config, text, place, attacked }) {
    Object.assign(this, { config, text, place, attacked });
    this.state = { computer: {}, phone: {}, link: {} };
    this.person = document.querySelector("[name=person]:checked").value;
    // sessions has the profile of each person who signed in to the mini-program.
    this.sessions = {};
    // scanned is the last code that a phone opened: from where, by whom.
    this.scanned = {};
    this.listen();
  }

  listen() {
    for (const input of document.querySelectorAll("[name=person]")) input.addEventListener("change", () => this.use(input.value));
    for (const button of document.querySelectorAll(".phone .back")) button.addEventListener("click", () => this.show(button.dataset.to));
    element("go-home").addEventListener("click", () => this.show("home"));
    element("open-wechat").addEventListener("click", () => this.show("wechat"));
    element("open-browser").addEventListener("click", () => this.openBrowser());
    element("to-browser").addEventListener("click", () => this.openBrowser());
    element("open-camera").addEventListener("click", () => this.show("camera"));
    element("open-mini").addEventListener("click", () => this.openMini());
    element("scan-album").addEventListener("click", () => this.scan("album"));
    element("scan-message").addEventListener("click", () => this.scan("message"));
    element("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this.approve();
    });
    element("ask").addEventListener("input", () => this.check());
    element("deny").addEventListener("click", () => this.deny());
  }

  name() {
    return this.text(`person.${this.person}`);
  }

  show(screen) {
    const focused = document.activeElement?.closest(".phone .screen, .phone .home");
    for (const other of document.querySelectorAll(".phone .screen")) other.hidden = other.id !== screen;
    this.screen = screen;
    if (focused) element(screen).querySelector("h2, button, iframe").focus({ preventScroll: true });
    if (screen === "camera") this.look();
  }

  // use takes the phone of another person.
  async use(person) {
    this.person = person;
    await post("/phone/person", { person });
    this.closeBrowser();
    this.show("home");
    this.place("mini", this.sessions[person]?.sub ?? "", this.name());
    this.place("phone", "");
  }

  // closeBrowser closes the browser: the next person has another one.
  closeBrowser() {
    const frame = element("phone-frame");
    const fresh = frame.cloneNode();
    fresh.removeAttribute("src");
    frame.replaceWith(fresh);
  }

  openBrowser() {
    const frame = element("phone-frame");
    if (!frame.src) {
      frame.name = this.person;
      frame.src = this.config.phone_origin + "/";
    }
    this.show("browser");
  }

  update(state) {
    const before = this.state;
    this.state = state;
    if (state.phone.address !== before.phone.address) element("phone-address").textContent = state.phone.address ?? "";
    element("scan-album").hidden = !state.album;
    element("message").hidden = !state.received;
    if (state.received && state.received !== before.received) element("message-picture").src = `/phone/picture?from=message&n=${state.received}`;
    if (state.link.number > (before.link.number ?? 0) && before.calls) this.openLink(state.link.url);
    if (this.screen === "camera") this.look();
  }

  // look shows what the camera sees, and reads a code after a moment.
  look() {
    const { picture } = this.state.computer;
    element("seen").hidden = !picture;
    element("camera-text").textContent = this.text(picture ? "camera.found" : "camera.search");
    if (!picture || this.looking === picture) return;
    this.looking = picture;
    element("seen").src = `/phone/picture?from=camera&n=${picture}`;
    setTimeout(() => {
      this.looking = 0;
      if (this.screen === "camera" && this.state.computer.picture === picture) this.scan("camera");
    }, 500);
  }

  async scan(from) {
    await this.opening(async () => {
      const { scene } = await post("/phone/scan", { from });
      await this.ask(scene, from);
    });
  }

  async openLink(link) {
    await this.opening(async () => {
      const { scene } = await post("/phone/open", { link });
      await this.ask(scene, "link");
    });
  }

  async opening(act) {
    this.message(this.text("mini.opening"));
    this.show("mini");
    try {
      await act();
    } catch (error) {
      this.failed(error);
    }
  }

  // openMini opens the mini-program, which signs in as every mini-program does: wx.login, then its backend.
  async openMini() {
    await this.opening(async () => {
      this.message(this.text("mini.loading"));
      this.home(await this.login());
    });
  }

  async login() {
    const { code } = await post("/phone/login");
    const { profile } = await post("/auth/login", { code, user: { nickname: this.name() } });
    this.sessions[this.person] = profile;
    this.place("mini", profile.sub, this.name());
    return profile;
  }

  home(profile) {
    this.message(`${this.text("mini.hello", profile.nickname)}\n${this.text("mini.signed_in")}`, { sub: profile.sub, fine: this.text("mini.next") });
  }

  // ask opens the page of a scene: it shows who waits.
  async ask(scene, from) {
    const owner = from === "album" ? this.scanned.owner : this.person;
    this.scanned = { scene, from, owner };
    const attempt = crypto.randomUUID().replaceAll("-", "");
    const seen = (this.seen = await post("/auth/scan", { action: "seen", scene, attempt }));
    element("ask-client").textContent = seen.client?.name ?? "";
    element("ask-browser").textContent = this.text("mini.ask.at", seen.browser, seen.system);
    element("ask-place-row").hidden = !seen.place;
    element("ask-place").textContent = seen.place ? new Intl.DisplayNames([document.documentElement.lang], { type: "region" }).of(seen.place) : "";
    element("ask-warning").hidden = !seen.differs;
    element("ask-number-row").hidden = seen.method !== "scan";
    element("ask-number").required = seen.method === "scan";
    element("ask-problem").hidden = true;
    element("ask").reset();
    this.check();
    element("mini-status").hidden = true;
    element("ask").hidden = false;
    (seen.method === "scan" && !seen.differs ? element("ask-number") : element("approve")).focus({ preventScroll: true });
  }

  // check enables the button when everything is filled in.
  check() {
    const number = this.seen?.method !== "scan" || /^[0-9]{2}$/.test(element("ask-number").value);
    element("approve").disabled = !number || (this.seen?.differs && !element("ask-confirmed").checked);
  }

  async approve() {
    const { scene } = this.scanned;
    const request = { action: "approve", scene, confirmed: element("ask-confirmed").checked };
    if (this.seen.method === "scan") request.number = element("ask-number").value;
    try {
      const { code } = await post("/phone/login");
      const { scan, profile } = await post("/auth/scan", { ...request, code });
      this.sessions[this.person] = profile;
      this.place("mini", profile.sub, this.name());
      if (scan.digits) this.message(this.text("mini.digits"), { digits: scan.digits, fine: this.text("mini.digits.warning"), browser: true });
      else this.message(this.text("mini.done"), { close: true });
      if (this.scanned.from === "message") this.attacked("forward", "lost");
    } catch (error) {
      this.failed(error);
      if (error.reason === "number_wrong") await this.rejected("guess");
    }
  }

  async deny() {
    try {
      await post("/auth/scan", { action: "deny", scene: this.scanned.scene });
      this.message(this.text("mini.denied"), { close: true });
      await this.rejected("");
    } catch (error) {
      this.failed(error);
    }
  }

  // failed shows why WeChat or the backend rejected something.
  failed({ reason }) {
    const key = `reason.${reason}`;
    const known = this.config.texts[key] ? key : "reason.other";
    if (["number_missing", "not_confirmed"].includes(reason)) {
      element("ask-problem").textContent = this.text(known);
      element("ask-problem").hidden = false;
      return;
    }
    this.message(this.text(known), { close: true, bad: true });
    if (reason === "scene_used" || reason === "scene_expired") this.rejected("old");
  }

  // rejected finds the attack that failed.
  async rejected(name) {
    const { from, owner } = this.scanned;
    if (from === "message") {
      const seen = await post("/attack/look");
      this.attacked("forward", "result", seen.alert);
    } else if (name === "old" && owner !== this.person) {
      this.attacked("person", "result");
    } else if (name) {
      this.attacked(name, "result");
    }
  }

  // message shows a text in the mini-program, and what belongs to it.
  message(content, { sub, digits, fine, close, browser, bad } = {}) {
    element("ask").hidden = true;
    element("mini-status").hidden = false;
    element("mini-text").textContent = content;
    element("mini-text").classList.toggle("bad", Boolean(bad));
    for (const [id, value] of [["mini-sub", sub], ["mini-digits", digits], ["mini-fine", fine]]) {
      element(id).textContent = value ?? "";
      element(id).hidden = !value;
    }
    element("mini-close").hidden = !close;
    element("to-browser").hidden = !browser;
  }
}
