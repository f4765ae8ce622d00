// Comfort on top of pages that work without it: the reader's own time, what moves, and keys.
// What only this page knows of an element stands in attributes called data-here-*: the frame has htmx leave them, and
// what is folded open, as they are when a part is renewed.
"use strict";

const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// --- times

const full = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "short"});
const relative = {
  relative: new Intl.RelativeTimeFormat(undefined, {style: "long"}),
  short: new Intl.RelativeTimeFormat(undefined, {style: "narrow"}),
};
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function ago(at, format) {
  const seconds = (at - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  return Math.abs(seconds) < 5 ? "now" : format.format(Math.trunc(seconds / size), unit);
}

function showTimes(within = document) {
  for (const time of all("time[datetime]", within)) {
    const at = new Date(time.dateTime);
    const utc = time.dataset.utc ??= time.title;
    time.title = `${full.format(at)} · ${utc}`;
    time.textContent = relative[time.dataset.format] ? ago(at, relative[time.dataset.format]) : full.format(at);
  }
}

// --- what waits, in the title

function showCount() {
  const count = one("#waiting")?.dataset.count ?? "0";
  const title = document.title.replace(/^\(\d+\+?\) /, "");
  document.title = count === "0" ? title : `(${count}) ${title}`;
}

// A hidden tab has let go of its stream, as a browser has few connections for a host; so now and then it looks.
setInterval(() => {
  if (document.hidden) one("#waiting")?.dispatchEvent(new Event("hidden-look"));
}, 60000);

// --- the connection

// Whether it is heard what moves: an attribute of the body, by which the style sheet shows what there is to say of it.
const live = state => { document.body.dataset.hereLive = state; };
let listening = false; // once connected, that is connected again by itself
let connected = false;
let again = null; // the time at which it is tried again what could not be had

// Once the page is seen: a browser may have no more than six connections for all of its tabs.
function listen() {
  if (listening || document.hidden) return;
  listening = true;
  htmx.trigger(document.body, "listen");
}

function renew() {
  for (const name of ["moved", "moved-begin"]) htmx.trigger(document.body, name);
}

function tryAgain() {
  again = null;
  if (listening) renew();
  else listen();
}

function lost(status) {
  if (status === 401) one("#sign-in-again").href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
  live(status === 401 ? "over" : "no");
}

document.addEventListener("DOMContentLoaded", listen);
document.addEventListener("visibilitychange", listen);
document.addEventListener("htmx:sse:after:connection", () => {
  connected = true;
  live("yes");
});
document.addEventListener("htmx:sse:error", ({detail}) => {
  connected = false;
  lost(detail.status);
});
document.addEventListener("htmx:sse:before:connection", ({detail}) => detail.connection.attempt > 1 && lost());

// --- what is shown, and what comes next

// Requests for what the reader wants to see instead: another of the list, or a page that they go back to. Only the
// answer to the last one is shown, and until it is there nothing is decided on what it replaces.
const opens = ctx => ctx.sourceElement !== ctx.target || ctx.swap === "outerSync";
let asked = null;
let missed = false; // whether something moved since that was asked, which the answer may not know

const address = one("#detail")?.getAttribute("hx-get");
if (location.pathname.endsWith("/decisions") && address) history.replaceState(history.state, "", address); // no page is there

document.addEventListener("moved", () => { missed = true; });

document.addEventListener("htmx:before:request", ({detail: {ctx}}) => {
  if (!opens(ctx)) return;
  asked = ctx;
  missed = false;
  one("#detail")?.toggleAttribute("inert", true);
});

// What is no page for the place that asked for it is not put there.
document.addEventListener("htmx:before:swap", event => {
  const {ctx} = event.detail;
  if (ctx.response?.status >= 400 || (opens(ctx) && ctx !== asked)) event.preventDefault();
});

document.addEventListener("htmx:finally:request", ({detail: {ctx}}) => {
  const status = ctx.response?.status;
  const opened = ctx === asked;
  if (opened) {
    asked = null;
    one("#detail")?.removeAttribute("inert");
  }
  if (status < 400) {
    if (connected && !again) live("yes");
    if (opened) arrived();
  } else if (opened && status && status !== 401) {
    location.assign(ctx.request.action); // a page that says what is wrong
  } else {
    lost(status);
    if (ctx.request.action === "/live") listening = false;
    if (status !== 401) again ??= setTimeout(tryAgain, 2000 + 3000 * Math.random());
  }
});

function arrived() {
  one("#refused")?.remove();
  one(".reader")?.scrollTo(0, 0);
  if (missed) renew();
}

document.addEventListener("htmx:finally:swap", () => { // by then the page has its new title, too
  showTimes();
  showCount();
  markCurrent();
  showSelection();
});

// --- the list beside the request

const rows = () => all("#list [data-row]");
const current = () => one("#list [data-row][aria-current]") ?? one("#list [data-row]:focus-within");

function markCurrent() {
  for (const row of rows()) {
    row.toggleAttribute("aria-current", new URL(one("a", row).href).pathname === location.pathname);
  }
}

function step(by) {
  const list = rows();
  const at = list.indexOf(one("#list [data-row]:focus-within") ?? current());
  const next = list[Math.max(0, Math.min(list.length - 1, at < 0 ? 0 : at + by))];
  one("a", next ?? document.createElement("i"))?.focus();
  next?.scrollIntoView({block: "nearest"});
}

// --- keys

function decide(verdict) {
  const form = one("form[data-decide]");
  const button = form && one(`button[value="${verdict}"]`, form);
  if (!button || button.disabled || form.closest("[inert]")) return;
  const comment = one("textarea", form);
  if (verdict === "reject" && comment && !comment.value.trim() && document.activeElement !== comment) {
    comment.focus();
    one("#why", form)?.setAttribute("data-here-asked", "");
    return;
  }
  form.requestSubmit(button);
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  a: () => decide("approve"),
  r: () => decide("reject"),
  c: () => one("form[data-decide] textarea")?.focus(),
  u: () => one("form[data-undo] button")?.click(),
  v: () => all("details.raw").forEach(each => each.toggleAttribute("open")),
  x: () => one("input[type=checkbox]", one("#list [data-row]:focus-within") ?? current() ?? document)?.click(),
  g: () => location.assign("/inbox"),
  "/": () => one("input[type=search]")?.focus(),
  "?": () => one("#keys").showModal(),
};

document.addEventListener("keydown", event => {
  if (event.repeat && event.key !== "j" && event.key !== "k") return; // held down, it would decide on what comes next
  const typing = event.target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
  if (typing && event.key === "Escape") event.target.blur();
  if (typing && event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form?.requestSubmit(one("form[data-decide] .approve"));
  if (typing || event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
  const act = KEYS[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

// --- forms

document.addEventListener("submit", event => {
  const {target, submitter} = event;
  if (target.dataset.hereSent) {
    event.preventDefault();
    return;
  }
  if (target.method === "post") {
    target.dataset.hereSent = "yes";
    setTimeout(() => delete target.dataset.hereSent, 3000);
  }
  submitter?.setAttribute("aria-busy", "true");
});

document.addEventListener("change", ({target}) => {
  if (target.matches("form.toolbar select")) target.form.requestSubmit();
  if (target.matches("[data-all]")) all(target.dataset.all).forEach(box => { box.checked = target.checked; });
  showSelection();
});

function showSelection() {
  const said = one("#bulk [data-selected]");
  if (said) said.textContent = String(all("#list input[name=id]:checked").length);
}

// --- what counts down, and what can be copied

setInterval(() => {
  if (!document.hidden) showTimes();
}, 15000);

function countDown() {
  for (const left of all("[data-until]")) {
    const seconds = Math.max(0, Math.ceil((new Date(left.dataset.until) - Date.now()) / 1000));
    left.textContent = String(seconds);
    if (seconds === 0) left.closest("[data-held]").hidden = true;
  }
}

setInterval(countDown, 250);

document.addEventListener("click", async event => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(one(button.dataset.copy).textContent.trim());
  button.lastChild.textContent = "Copied";
});

showTimes();
showCount();
markCurrent();
showSelection();
current()?.scrollIntoView({block: "nearest"});
