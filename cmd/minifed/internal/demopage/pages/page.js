// The page of the demonstration: the steps, the tabs of the computer's browser, who is signed in, and what happened.
import { Phone } from "./phone.js";

const config = JSON.parse(document.getElementById("config").textContent);
const element = (id) => document.getElementById(id);
const text = (key, ...values) => values.reduce((shown, value) => shown.replace("%s", value), config.texts[key] ?? key);
const [first, second] = config.apps;

// places has the sub of each place that is signed in: mini, phone, or the client_id of an app on the computer.
const places = {};
// names has the person of each sub.
const names = {};
const attacks = new Set();
let state = { calls: [], computer: {}, phone: {}, link: {} };
let selected = first.client_id;
const addresses = { [first.client_id]: first.origin, [second.client_id]: second.origin };

const phone = new Phone({ config, text, place, attacked });

// place records who is signed in at a place; an empty sub is nobody.
function place(name, sub, person) {
  if (person) names[sub] = person;
  if (sub) places[name] = sub;
  else delete places[name];
  showSubs();
  showStep();
}

function showSubs() {
  const rows = [
    ["mini", text("subs.mini")],
    [first.client_id, text("subs.computer", first.name)],
    [second.client_id, text("subs.computer", second.name)],
    ["phone", text("subs.phone", first.name)],
  ];
  element("subs").replaceChildren(...rows.map(([name, where]) => row(name, where, places[name])));
}

function row(name, where, sub) {
  const line = document.createElement("tr");
  line.dataset.place = name;
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = where;
  const cell = document.createElement("td");
  cell.append(span("code", sub || text("subs.none")));
  if (sub && names[sub]) cell.append(" ", span("who", names[sub]));
  if (sub && name !== "mini" && places.mini) {
    const same = sub === places.mini;
    cell.append(" ", span(`badge ${same ? "well" : "bad"}`, text(same ? "subs.same" : "subs.other")));
  }
  if (!sub) cell.className = "none";
  line.append(head, cell);
  return line;
}

function span(className, content) {
  const made = document.createElement("span");
  made.className = className;
  made.textContent = content;
  return made;
}

// reached are the steps that were done once. A later sign-out takes none back.
const reached = new Set();

function showStep() {
  const seen = {
    1: places.mini,
    2: state.computer.picture > 0 || places[first.client_id],
    3: places[first.client_id],
    4: places[second.client_id],
    5: places.phone,
    6: attacks.size === 4,
  };
  for (const [step, done] of Object.entries(seen)) if (done) reached.add(Number(step));
  const now = [1, 2, 3, 4, 5, 6].find((step) => !reached.has(step)) ?? "end";
  for (const item of element("steps").children) {
    const step = Number(item.dataset.step);
    item.classList.toggle("done", reached.has(step));
    item.querySelector("[data-done]").hidden = !reached.has(step);
    if (step === now) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  if (element("steps").dataset.now === String(now)) return;
  element("steps").dataset.now = now;
  element("step-count").textContent = now === "end" ? "" : text("guide.step", now);
  element("step-title").textContent = text(`guide.${now}.title`);
  element("step-text").textContent = text(`guide.${now}.text`);
}

function showCalls() {
  element("no-calls").hidden = state.calls.length > 0;
  const list = element("calls");
  const shown = Number(list.lastElementChild?.dataset.number ?? 0);
  if (state.calls.length === 0 || state.calls.at(-1).number < shown) list.replaceChildren();
  const last = Number(list.lastElementChild?.dataset.number ?? 0);
  const added = state.calls.filter(({ number }) => number > last);
  list.append(...added.map(item));
  list.hidden = state.calls.length === 0;
  if (added.length > 0) list.scrollTop = list.scrollHeight;
}

function item(call) {
  const line = document.createElement("li");
  line.dataset.number = call.number;
  line.dataset.what = call.what;
  line.className = call.status >= 400 ? "failed" : "";
  const raw = document.createElement("p");
  raw.className = "raw";
  raw.append(span("from", text(`calls.from.${call.from}`)), " ", span("code", `${call.method} ${call.path} → ${call.status}`));
  const says = document.createElement("p");
  says.textContent = text(call.what);
  if (call.reason) says.append(" ", span("code", `reason: ${call.reason}`));
  if (call.sub) says.append(" ", span("code", `sub: ${call.sub}`));
  line.append(raw, says);
  return line;
}

// attacked shows the result of an attack.
function attacked(name, result, ...values) {
  const card = element(`attack-${name}`);
  const won = result === "lost";
  if (!won) attacks.add(name);
  const badge = card.querySelector(".badge");
  badge.textContent = text(won ? "attack.won" : "attack.failed");
  badge.className = `badge ${won ? "bad" : "well"}`;
  card.querySelector(".detail").textContent = text(`attack.${name}.${result}`, ...values);
  showStep();
}

element("forward").addEventListener("click", async () => {
  element("forward").disabled = true;
  const response = await fetch("/attack/forward", { method: "POST" });
  element("forward").disabled = false;
  if (response.ok) element("attack-forward").querySelector(".detail").textContent = text("attack.forward.sent");
});

// The tabs of the computer's browser (ARIA tabs).
for (const app of config.apps) {
  const tab = element(`tab-${app.client_id}`);
  tab.addEventListener("click", () => select(app.client_id));
  tab.addEventListener("keydown", ({ key }) => {
    if (key !== "ArrowLeft" && key !== "ArrowRight") return;
    const other = app === first ? second : first;
    select(other.client_id);
    element(`tab-${other.client_id}`).focus();
  });
}

function select(client) {
  selected = client;
  for (const { client_id } of config.apps) {
    const chosen = client_id === client;
    element(`tab-${client_id}`).setAttribute("aria-selected", chosen);
    element(`tab-${client_id}`).tabIndex = chosen ? 0 : -1;
    element(`panel-${client_id}`).hidden = !chosen;
    if (chosen) load(client_id);
  }
  showAddress();
}

function load(client) {
  const frame = element(`frame-${client}`);
  if (!frame.src) frame.src = frame.dataset.src;
}

function showAddress() {
  element("address").textContent = addresses[selected];
}

// The apps report who is signed in.
addEventListener("message", ({ origin, data }) => {
  if (![first.origin, second.origin, config.phone_origin].includes(origin)) return;
  const name = data.device === "phone" ? "phone" : data.client;
  if (data.device === "phone") element("phone-address").textContent = data.address;
  else addresses[data.client] = data.address;
  showAddress();
  if (data.type === "signed-in") place(name, data.sub);
  if (data.type === "signed-out") place(name, "");
});

// On a small screen the page shows one device.
for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => {
    document.querySelector("main").dataset.shows = button.dataset.view;
    for (const other of document.querySelectorAll("[data-view]")) other.setAttribute("aria-pressed", other === button);
  });
}

element("restart").addEventListener("click", async () => {
  await fetch("/restart", { method: "POST" });
  for (const frame of document.querySelectorAll("iframe")) frame.contentWindow?.postMessage({ type: "forget" }, "*");
  sessionStorage.clear();
  setTimeout(() => location.reload(), 100);
});

new EventSource("/events").addEventListener("message", ({ data }) => {
  const before = state;
  state = JSON.parse(data);
  if (state.computer.address && state.computer.address !== before.computer.address) addresses[selected] = state.computer.address;
  showAddress();
  showCalls();
  showStep();
  phone.update(state);
});

showSubs();
showStep();
select(first.client_id);
