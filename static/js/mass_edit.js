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
