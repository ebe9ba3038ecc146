// An error speaks about the value that was sent: it goes as soon as its field is changed.

function mend(event) {
  const wrong = event.target.closest?.(".field-wrong");
  if (!wrong) return;
  wrong.classList.remove("field-wrong");
  for (const error of wrong.querySelectorAll(".field-error")) error.remove();
  for (const control of wrong.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

document.addEventListener("input", mend);
document.addEventListener("change", mend);
