// The list of requests beside the one that is read, and the keys that move through it and decide.
"use strict";

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
  x: () => (one("#list [data-row]:focus-within") ?? current())?.querySelector("input[type=checkbox]")?.click(),
  g: () => location.assign("/inbox"),
  "/": () => one("input[type=search]")?.focus(),
  "?": () => one("#keys").showModal(),
};

document.addEventListener("keydown", event => {
  if (event.repeat && event.key !== "j" && event.key !== "k") return; // held down, it would decide on what comes next
  const typing = event.target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
  if (typing && event.key === "Escape") event.target.blur();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.closest("form[data-decide]")) decide("approve");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
  const act = KEYS[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

markCurrent();
current()?.scrollIntoView({block: "nearest"});
