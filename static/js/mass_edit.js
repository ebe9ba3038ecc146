// Changing a field of the Mass Edit dialog ticks its "change" box; unticking the box leaves the field unchanged again.

document.addEventListener("input", (event) => {
  const row = event.target.closest("[data-change]");
  const box = row?.querySelector("[data-change-box]");
  if (box && event.target !== box && !box.checked) box.checked = true;
});
