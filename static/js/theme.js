// Runs before the first paint, so that a dark page never flashes white. A plain script, not a module, for that reason.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("theme") || "auto";
    } catch {
      return "auto";
    }
  };
  const apply = () => {
    const theme = chosen();
    root.dataset.bsTheme = theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
  };

  root.classList.add("js");
  apply();
  dark.addEventListener("change", apply);
  addEventListener("storage", apply);
  document.addEventListener("DOMContentLoaded", () => {
    for (const radio of document.querySelectorAll(".theme-choice input")) {
      radio.checked = radio.value === chosen();
      radio.addEventListener("change", () => {
        try {
          localStorage.setItem("theme", radio.value);
        } catch {
          // Storage is switched off: the choice holds for this page.
        }
        root.dataset.bsTheme = radio.value;
        apply();
      });
    }
  });
})();
