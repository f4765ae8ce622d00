// What moves is seen without asking for it, and what is opened takes the place of what was read, without a new page.
"use strict";

// Whether it is heard what moves: an attribute of the body, by which the style sheet shows what there is to say of it.
const live = state => { document.body.dataset.hereLive = state; };
let listening = false; // once connected, that is connected again by itself
let connected = false;
let again = null; // the timer after which what could not be had is tried again

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
