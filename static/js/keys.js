// Keyboard shortcuts without a modifier, disabled while the user types or a dialog is open.

import { openPalette } from "./palette.js";

function typing(element) {
  return element.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
}

function rows() {
  return [...document.querySelectorAll("table[data-keys] tbody tr:not(.table-group)")];
}

function step(by) {
  const all = rows();
  if (!all.length) {
    document.querySelector(`a[data-key="${by > 0 ? "j" : "k"}"]`)?.click();
    return;
  }
  const at = all.indexOf(document.activeElement.closest("tr"));
  const row = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

const actions = {
  "/": openPalette,
  "?": () => document.querySelector('[data-dialog-open="#keys"]')?.click(),
  j: () => step(1),
  k: () => step(-1),
  e: () => {
    const settings = document.querySelector('details[data-key="e"]');
    if (!settings) return;
    settings.open = true;
    settings.querySelector("select, input:not([type=hidden])")?.focus();
  },
  x: () => document.activeElement.closest("tr")?.querySelector("input[type=checkbox]")?.click(),
};

// Escape closes the settings of a number unless something was typed, which Cancel discards.
function closeSettings(settings) {
  const changed = [...settings.querySelectorAll("input, select, textarea")].some((field) =>
    field instanceof HTMLSelectElement
      ? [...field.options].some((option) => option.selected !== option.defaultSelected)
      : field.value !== field.defaultValue,
  );
  if (changed) return;
  settings.open = false;
  settings.querySelector("summary").focus();
}

document.addEventListener("keydown", (event) => {
  const settings = event.key === "Escape" && event.target.closest('details[data-key="e"][open]');
  if (settings && !document.querySelector("dialog:modal")) {
    closeSettings(settings);
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (typing(event.target)) return;
  if (document.querySelector("dialog:modal")) return;
  if (event.key === "Enter" && event.target.matches("tr")) {
    event.target.querySelector("[data-row-link]")?.click();
    return;
  }
  if (Object.hasOwn(actions, event.key)) {
    event.preventDefault();
    actions[event.key]();
  }
});
