// Native dialogs. Those that htmx loads into #dialog-slot open by themselves.

const slot = document.getElementById("dialog-slot");
let opener = null;

function open(dialog) {
  if (!dialog || dialog.open) return;
  dialog.showModal();
  // Focus the invalid field, else the one with autofocus, else the first field, else the first button.
  for (const first of [
    '[aria-invalid="true"]',
    "[autofocus]",
    ".dialog-body :is(select, textarea, input:not([type=hidden], [type=checkbox])):not([hidden])",
    ".dialog-foot .btn",
  ]) {
    const element = dialog.querySelector(first);
    if (element) {
      element.focus();
      if (element.readOnly) element.select();
      break;
    }
  }
}

// What a closed menu hides loses the focus only when the page is painted next.
function isLost(focused) {
  return !focused || focused === document.body || !focused.checkVisibility();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-dialog-open]");
  if (button) {
    opener = button;
    open(document.querySelector(button.dataset.dialogOpen));
  }
  const closer = event.target.closest("[data-dialog-close]");
  const dialog = closer?.closest("dialog");
  // A dialog shown as a page (without htmx) follows its link instead.
  if (dialog?.matches(":modal")) {
    event.preventDefault();
    dialog.close();
  }
});

document.addEventListener("htmx:beforeRequest", (event) => {
  const element = event.detail.requestConfig.elt;
  if (event.detail.target === slot && !slot.contains(element)) opener = element;
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== slot) return;
  htmx.process(slot); // htmx does so 20 ms later: until then the pressed button would not be sent with its form
  open(slot.querySelector("dialog"));
});

// A click outside the dialog doesn't discard what the user typed.
for (const kind of ["input", "change"]) {
  document.addEventListener(kind, (event) => {
    const dialog = event.target.closest("dialog:modal");
    if (dialog) dialog.dataset.typed = "1";
  });
}

// [data-keep-open]: the dialog shows what can't be shown again, and closes by its form alone.
document.addEventListener(
  "cancel",
  (event) => {
    if (!event.target.matches("[data-keep-open]")) return;
    event.preventDefault();
    event.target.querySelector("form").reportValidity();
  },
  true,
);

let pressedOn = null;
document.addEventListener("pointerdown", (event) => (pressedOn = event.target));
document.addEventListener("click", (event) => {
  const dialog = event.target;
  if (!(dialog instanceof HTMLDialogElement) || pressedOn !== dialog || dialog.dataset.typed || "keepOpen" in dialog.dataset) return;
  if (dialog.matches(":modal") && event.clientX + event.clientY > 0) dialog.close();
});

document.addEventListener(
  "close",
  (event) => {
    const dialog = event.target;
    if (!(dialog instanceof HTMLDialogElement)) return;
    delete dialog.dataset.typed;
    if (dialog.hasAttribute("data-reload-on-close")) {
      location.reload();
      return;
    }
    if (slot.contains(dialog)) dialog.remove();
    // The browser restores the focus itself, unless the opener was inside a menu that has closed.
    if (opener?.isConnected && isLost(document.activeElement)) {
      (opener.closest("details[data-menu]:not([open])")?.querySelector("summary") || opener).focus({ preventScroll: true });
    }
  },
  true,
);
