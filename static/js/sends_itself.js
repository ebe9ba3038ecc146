// A form that is sent as soon as something in it is chosen; its button is for those without scripts.

for (const form of document.querySelectorAll("form[data-sends-itself]")) {
  form.querySelector("button").hidden = true;
  form.addEventListener("change", () => form.requestSubmit());
}
