// Runs before the first paint, so that a chosen theme never flashes. A plain script, not a module, for that reason.
// "Auto" sets nothing: base.css follows the system.
(() => {
  const root = document.documentElement;
  const chosen = () => {
    try {
      return localStorage.getItem("theme") || "auto";
    } catch {
      return "auto"; // storage is switched off
    }
  };
  const apply = (theme) => {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
  };

  root.classList.add("js");
  apply(chosen());
  addEventListener("storage", () => apply(chosen()));
  document.addEventListener("DOMContentLoaded", () => {
    for (const radio of document.querySelectorAll(".theme-choice input")) {
      radio.checked = radio.value === chosen();
      radio.addEventListener("change", () => {
        apply(radio.value);
        try {
          localStorage.setItem("theme", radio.value);
        } catch {
          // Storage is switched off: the choice holds for this page.
        }
      });
    }
  });
})();
