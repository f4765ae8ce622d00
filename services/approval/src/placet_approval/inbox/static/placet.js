// Comfort on top of pages that work without it: the reader's own time, what counts, and forms. The scripts of this
// folder share their names, and run in the order in which the frame has them.
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
showSelection();
