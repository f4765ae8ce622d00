// Comfort on top of pages that work without it: the reader's own time, what moves, and keys.
// What only this page knows of an element stands in attributes called data-here-*: the frame has htmx leave them, and
// what is folded open, as they are when a part is renewed.
"use strict";

const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// --- times

const full = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "short"});
const relative = new Intl.RelativeTimeFormat(undefined, {numeric: "always", style: "short"});
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function ago(at) {
  const seconds = (at - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  return Math.abs(seconds) < 5 ? "now" : relative.format(Math.trunc(seconds / size), unit);
}

function showTimes(within = document) {
  for (const time of all("time[datetime]", within)) {
    const at = new Date(time.dateTime);
    const utc = time.dataset.utc ??= time.title;
    time.title = `${full.format(at)} · ${utc}`;
    time.textContent = time.dataset.format === "relative" ? ago(at) : full.format(at);
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

document.addEventListener("htmx:sse:after:connection", ({detail}) => {
  one("#disconnected")?.classList.toggle("hidden", detail.connection.status === 200);
  document.body.dataset.live = detail.connection.status === 200 ? "yes" : "no";
});

function lost(status) {
  if (status === 401) {
    const link = one("#sign-in-again");
    link.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
    one("#session-over").classList.remove("hidden");
  } else {
    one("#disconnected")?.classList.remove("hidden");
  }
  document.body.dataset.live = "no";
}

document.addEventListener("htmx:sse:error", ({detail}) => lost(detail.status));
document.addEventListener("htmx:sse:before:connection", ({detail}) => detail.connection.attempt > 1 && lost());

// What is no page for the place that asked for it is not put there.
document.addEventListener("htmx:before:swap", event => {
  const status = event.detail.ctx?.response?.status ?? 200;
  if (status >= 400) {
    event.preventDefault();
    lost(status);
  }
});

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
  if (!button || button.disabled) return;
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
