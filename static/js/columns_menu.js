// The columns menu of the list of numbers: each change is applied at once.
//
// Space ticks a column, which moves it between "Shown" and "More"; Alt+↑ ↓ or dragging moves it among those shown.

const form = document.querySelector("form[data-columns]");

if (form) {
  const menu = form.closest("details");
  const shown = form.querySelector("[data-shown]");
  const more = form.querySelector("[data-more]");
  const polite = document.getElementById("polite");
  const say = (text) => {
    polite.textContent = "";
    setTimeout(() => (polite.textContent = text), 50);
  };
  const apply = () => form.dispatchEvent(new Event("change", { bubbles: true }));
  const nameOf = (item) => item.querySelector("label span").textContent;
  const place = (item) => `${nameOf(item)}, ${[...shown.children].indexOf(item) + 1} of ${shown.children.length}`;

  const close = () => {
    menu.open = false;
    menu.querySelector("summary").focus();
  };

  form.addEventListener("click", (event) => {
    if (event.target.matches("[data-always]")) {
      event.preventDefault();
      say("DID is always shown");
    }
    if (!event.target.closest("[data-done]")) return;
    event.preventDefault();
    close();
  });

  // In the capture phase: htmx sends the form in the new order.
  form.addEventListener(
    "change",
    ({ target }) => {
      if (target === form) return;
      const item = target.closest("li");
      if (target.checked) shown.append(item);
      else more.prepend(item);
      target.focus();
      say(target.checked ? place(item) : `${nameOf(item)} hidden`);
    },
    true,
  );

  form.addEventListener("keydown", (event) => {
    const item = event.target.closest("[data-shown] li");
    if (!item || !event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    const other = event.key === "ArrowUp" ? item.previousElementSibling : item.nextElementSibling;
    if (!other) return;
    if (event.key === "ArrowUp") other.before(item);
    else other.after(item);
    event.target.focus();
    say(place(item));
    apply();
  });

  let dragged = null;
  const draggable = () => {
    for (const item of form.querySelectorAll("li")) item.draggable = item.parentElement === shown;
  };
  draggable();
  form.addEventListener("change", draggable);
  shown.addEventListener("dragstart", (event) => (dragged = event.target.closest("li")));
  shown.addEventListener("dragover", (event) => {
    const over = event.target.closest("li");
    if (!dragged || !over) return;
    event.preventDefault();
    const box = over.getBoundingClientRect();
    if (over !== dragged) over[event.clientY < box.top + box.height / 2 ? "before" : "after"](dragged);
  });
  shown.addEventListener("drop", (event) => event.preventDefault());
  shown.addEventListener("dragend", () => {
    if (dragged) say(place(dragged));
    dragged = null;
    apply();
  });

  let scrolled = null;
  document.addEventListener("htmx:beforeSwap", ({ target }) => {
    if (target.id === "list-table") scrolled = [target.scrollLeft, target.scrollTop];
  });

  // Advanced Search, which loads late, keeps them as well.
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.elt.id !== "advanced-search") return;
    const address = new URL(location);
    address.searchParams.set("advanced", "1");
    detail.path = address.pathname + address.search;
  });

  // The page is at the address with the new columns, and its links keep them.
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    if (detail.target.id !== "list-table" || !detail.xhr.responseURL) return;
    const address = new URL(detail.xhr.responseURL);
    history.replaceState(null, "", address);
    for (const back of document.querySelectorAll("input[name=back]")) back.value = address.pathname + address.search;
    for (const kept of document.querySelectorAll("input[name=columns]")) kept.value = address.searchParams.get("columns");
    for (const link of document.querySelectorAll("a[href*='columns=']:not(#view-tabs a)")) {
      const url = new URL(link.href);
      url.searchParams.set("columns", address.searchParams.get("columns"));
      link.href = url;
    }
    // A class, because :has() costs every tick of a row a search of all rows.
    document.body.classList.toggle("is-wide", Boolean(document.querySelector("#list-table > .many")));
    document.getElementById("list-table").scrollTo(...scrolled);
    document.dispatchEvent(new CustomEvent("table:replaced"));
  });
}
