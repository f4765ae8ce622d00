// Times are typed in the reader's own zone, which the form then says; and what can be copied has a button.
"use strict";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const inputs = [...document.querySelectorAll("[data-zoned]")];
const form = inputs[0]?.form;
if (form && zone) {
  const pad = number => String(number).padStart(2, "0");
  const sent = form.elements.zone.value;
  for (const input of inputs) {
    const at = new Date(`${input.value}Z`);
    if (sent === "UTC" && !Number.isNaN(at.getTime())) {
      input.value = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}T${pad(at.getHours())}:${pad(at.getMinutes())}`;
    }
  }
  form.elements.zone.value = zone;
  document.getElementById("zone").textContent = `Times are in your own time zone, ${zone}.`;
}

if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copy]")) button.classList.remove("hidden");
}
