// Changing a field of the Mass Edit dialog ticks its "change" box; unticking the box leaves the field unchanged again.

document.addEventListener("input", (event) => {
  const row = event.target.closest("[data-change]");
  const box = row?.querySelector("[data-change-box]");
  if (box && event.target !== box && !box.checked) box.checked = true;
  wait(event.target.closest("[data-previewed]"), true);
});

// The button waits for the preview of the last change, which replaces it.
function wait(form, waiting) {
  const button = form?.querySelector('button[name="step"][value="apply"]');
  if (button) button.disabled = waiting;
}

for (const failure of ["htmx:sendError", "htmx:responseError"]) {
  document.addEventListener(failure, (event) => wait(event.target.closest?.("[data-previewed]"), false));
}

// A field that was changed before htmx listened is previewed as soon as it does.
document.addEventListener("htmx:load", (event) => {
  const changed = event.target.querySelector?.("[data-change-box]:checked");
  changed?.dispatchEvent(new Event("input", { bubbles: true }));
});
