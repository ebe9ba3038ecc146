// Changing a field of the Mass Edit dialog ticks its "change" box; unticking the box leaves the field unchanged again.

document.addEventListener("input", (event) => {
  const row = event.target.closest("[data-change]");
  const box = row?.querySelector("[data-change-box]");
  if (box && event.target !== box && !box.checked) box.checked = true;
});

// A field that was changed before htmx listened is previewed as soon as it does.
document.addEventListener("htmx:load", (event) => {
  const changed = event.target.querySelector?.("[data-change-box]:checked");
  changed?.dispatchEvent(new Event("input", { bubbles: true }));
});

// The button of a form with a preview waits for the preview of the last change, which replaces the button.
// data-previewed: the name of the only field that is previewed, empty for all fields.
function wait(form, waiting) {
  const button = form?.querySelector("button[data-counted]");
  if (button) button.disabled = waiting;
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-previewed]");
  if (!form || (form.dataset.previewed && form.dataset.previewed !== event.target.name)) return;
  wait(form, true);
  for (const error of form.querySelectorAll("[data-form-error]")) error.remove();
});

for (const failure of ["htmx:sendError", "htmx:responseError"]) {
  document.addEventListener(failure, (event) => wait(event.target.closest?.("form[data-previewed]"), false));
}
