// Behaviour of the frame: menus, panels that open in place, messages, clean URLs.

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target) || event.target.closest("a, [data-dialog-open], [data-download]")) menu.open = false;
  }

  const dismiss = event.target.closest("[data-dismiss]");
  if (dismiss) {
    const next = dismiss.closest(".notice").nextElementSibling?.querySelector("[data-dismiss]");
    dismiss.closest(".notice").remove();
    (next || document.getElementById("content")).focus({ preventScroll: true });
  }

  const toggle = event.target.closest("[data-toggle]");
  if (toggle) {
    const panel = document.querySelector(toggle.dataset.toggle);
    panel.hidden = !panel.hidden;
    toggle.setAttribute("aria-expanded", String(!panel.hidden));
    if (!panel.hidden) focusFirst(panel);
  }
});

const focusFirst = (panel) => panel.querySelector("input:not([type=hidden]), select")?.focus();

// A panel that loaded when it was opened.
document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (document.querySelector(`[data-toggle="#${target.id}"]`)) focusFirst(target);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details[data-menu][open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A GET form leaves empty fields out of the URL.
document.addEventListener("formdata", (event) => {
  if (!event.target.matches("form[data-tidy]")) return;
  for (const name of new Set(event.formData.keys())) {
    const values = event.formData.getAll(name).filter((value) => value !== "");
    event.formData.delete(name);
    for (const value of values) event.formData.append(name, value);
  }
});

// A long pasted list is posted and stored, because servers and proxies refuse long addresses.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const button = form.querySelector("button[data-long-search]");
  if (!button || event.submitter === button || form.elements.q.value.length <= 1000) return;
  event.preventDefault();
  setTimeout(() => form.requestSubmit(button)); // a form can't be submitted again within its submit event
});

// A one-line input drops the line breaks of a pasted list, which would merge two numbers into one.
document.addEventListener("paste", (event) => {
  const input = event.target.closest?.("input[data-numbers]");
  const text = event.clipboardData?.getData("text") ?? "";
  if (!input || !/[\r\n\t]/.test(text)) return;
  event.preventDefault();
  input.setRangeText(text.trim().replace(/\s*[\r\n\t]+\s*/g, ", "), input.selectionStart, input.selectionEnd, "end");
  input.dispatchEvent(new Event("input", { bubbles: true }));
});
