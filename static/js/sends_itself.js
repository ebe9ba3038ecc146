// Submits a form as soon as one of its fields changes; its button is for browsers without scripts.

for (const form of document.querySelectorAll("form[data-sends-itself]")) {
  form.querySelector("button").hidden = true;
  form.addEventListener("change", () => form.requestSubmit());
}
