// A filter of a list is changed in place: below it open the fields of Advanced Search that it comes from.
//
//   <a data-filter="q match">   the names of these fields. Backspace removes the filter
//
// Afterwards the focus is on the filter again, or on the field that is wrong.
//
// It is the form of Advanced Search with its other fields hidden, so what is sent has all other filters as well.

import { take, write } from "./returning.js";

const CHANGED = "filter changed"; // or removed
const links = [...document.querySelectorAll("[data-filter]")];
const search = () => document.getElementById("advanced-search");
let opened = null; // the filter that is changed

const fieldsOf = (link) =>
  link.dataset.filter.split(" ").map((name) => search().querySelector(`[name="${name}"]`).closest(".field"));

function open(link) {
  if (!search().hidden) {
    focus(fieldsOf(link)[0]);
    return;
  }
  opened = link;
  search().hidden = false; // loads it where it was left out
  if (search().matches("form")) show();
}

function show() {
  const form = search();
  form.reset(); // values that were typed before but not searched for
  form.classList.add("one-field");
  const fields = fieldsOf(opened);
  for (const field of fields) field.classList.add("is-shown");
  const { left, bottom } = opened.closest("li").getBoundingClientRect();
  form.style.top = `${bottom + scrollY + 4}px`;
  form.style.left = `${Math.max(12, Math.min(left, document.documentElement.clientWidth - form.offsetWidth - 12))}px`;
  focus(fields[0]);
}

function focus(field) {
  field.querySelector("input:not([type=hidden], [hidden]), select:not([hidden])").focus();
}

function close() {
  if (!opened) return;
  const form = search();
  form.hidden = true;
  form.classList.remove("one-field");
  form.removeAttribute("style");
  for (const field of form.querySelectorAll(".is-shown")) field.classList.remove("is-shown");
  if (form.matches("form")) form.reset();
  opened = null;
}

// In the capture phase: the button of Advanced Search opens all of it next.
document.addEventListener(
  "click",
  (event) => {
    if (!event.target.closest("#advanced-search")) close();
    const link = event.target.closest("[data-filter]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(link);
  },
  true,
);

// With Tab the focus would move on to rows below the fields. A dialog that they open leads back to them.
document.addEventListener("focusin", ({ target }) => {
  if (!target.closest("#advanced-search, dialog")) close();
});

document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (opened && target.id === "advanced-search") show();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && opened && !event.defaultPrevented) {
    const link = opened;
    close();
    link.focus();
  }
  const link = event.target.closest("[data-filter]");
  if (!link || !["Backspace", "Delete"].includes(event.key)) return;
  write(CHANGED, { at: links.indexOf(link) });
  link.nextElementSibling.click();
});

addEventListener("pagehide", () => {
  if (opened) write(CHANGED, { at: links.indexOf(opened) });
});

const changed = take(CHANGED);
if (changed) {
  const wrong = search().querySelector('[aria-invalid="true"]:not([hidden])');
  (wrong || links.at(Math.min(changed.at, links.length - 1)))?.focus();
}
