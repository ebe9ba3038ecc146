// Ticked rows of a table, kept over paging and sorting in this tab of the browser.
//
//   <table data-selection data-total="1234">            rows: <input type="checkbox" name="ids" value="7">
//   <form data-selection-form>                           hidden inputs scope, ids, query, expected are filled
//   [data-selection-bar] [data-selection-count] [data-selection-all] [data-selection-clear-button]
//   [data-needs-selection]                               a button that explains itself when nothing is ticked

const PREFIX = "selection:";

function storageKey() {
  const query = new URLSearchParams(location.search);
  for (const name of ["page", "per_page", "sort", "after", "before", "count"]) query.delete(name);
  query.sort();
  return `${PREFIX}${location.pathname}?${query}`;
}

const store = {
  read: () => {
    try {
      return JSON.parse(sessionStorage.getItem(storageKey())) || {};
    } catch {
      return {};
    }
  },
  write: (value) => {
    try {
      if (value) sessionStorage.setItem(storageKey(), JSON.stringify(value));
      else sessionStorage.removeItem(storageKey());
    } catch {
      // Storage is full or switched off: the selection holds for this page.
    }
  },
  clearAll: () => {
    try {
      for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
    } catch {
      // Nothing was stored then.
    }
  },
};

function start(table) {
  const total = Number(table.dataset.total);
  const head = table.querySelector("thead input[type=checkbox]");
  const boxes = [...table.querySelectorAll("tbody input[name=ids]")];
  const bar = document.querySelector("[data-selection-bar]");
  const counter = document.querySelector("[data-selection-count]");
  const selectAll = document.querySelector("[data-selection-all]");
  const forms = [...document.querySelectorAll("form[data-selection-form]")];
  const words = (number) => number.toLocaleString("en-GB");

  const saved = store.read();
  const ids = new Set(saved.ids);
  let all = Boolean(saved.all);
  let last = null;

  // Without this script the boxes themselves are sent with the form; with it the hidden input says more.
  for (const box of boxes) box.removeAttribute("form");

  function show() {
    for (const box of boxes) {
      box.checked = all || ids.has(box.value);
      box.closest("tr").classList.toggle("is-ticked", box.checked);
    }
    const ticked = boxes.filter((box) => box.checked).length;
    if (head) {
      head.checked = ticked > 0 && ticked === boxes.length;
      head.indeterminate = ticked > 0 && ticked < boxes.length;
    }
    const count = all ? total : ids.size;
    if (bar) bar.toggleAttribute("data-open", count > 0);
    document.body.classList.toggle("has-selection", count > 0);
    if (counter) {
      const elsewhere = all ? 0 : count - ticked;
      counter.textContent = count
        ? all
          ? `All ${words(total)} that match are selected`
          : `${words(count)} selected${elsewhere ? `, ${words(elsewhere)} on other pages` : ""}`
        : "";
    }
    if (selectAll) selectAll.hidden = all || !head?.checked || total <= count;
    for (const form of forms) {
      form.elements.scope.value = all ? "all" : "ids";
      form.elements.namedItem("ids").value = all ? "" : [...ids].join(",");
      form.elements.expected.value = count;
    }
    store.write(count ? { all, ids: [...ids] } : null);
  }

  // Taking one row away from "all that match" leaves the rest of this page.
  function leaveAll() {
    if (!all) return;
    all = false;
    ids.clear();
    for (const box of boxes) ids.add(box.value);
  }

  function tick(box, on) {
    leaveAll();
    if (on) ids.add(box.value);
    else ids.delete(box.value);
  }

  function clear() {
    all = false;
    ids.clear();
    show();
  }

  table.addEventListener("click", (event) => {
    const box = event.target.closest("input[type=checkbox]");
    if (!box) return;
    if (box === head) {
      for (const other of boxes) tick(other, head.checked);
    } else {
      const from = boxes.indexOf(last);
      const to = boxes.indexOf(box);
      const run = event.shiftKey && from >= 0 ? boxes.slice(Math.min(from, to), Math.max(from, to) + 1) : [box];
      const on = box.checked;
      for (const other of run) tick(other, on);
      last = box;
    }
    show();
  });
  // Shift-click would mark the text between the two rows as well.
  table.addEventListener("mousedown", (event) => {
    if (event.shiftKey && event.target.closest("input[type=checkbox]")) event.preventDefault();
  });
  // As a link it leads to this list with all that match counted, where it is a button.
  selectAll?.addEventListener("click", () => {
    if (selectAll.href) return;
    all = true;
    show();
    bar.querySelector("button:not([hidden])")?.focus();
  });
  for (const button of document.querySelectorAll("[data-selection-clear-button]")) {
    button.addEventListener("click", () => {
      clear();
      head?.focus();
    });
  }
  document.addEventListener(
    "click",
    (event) => {
      const button = event.target.closest("[data-needs-selection]");
      if (!button || all || ids.size) return;
      event.preventDefault();
      event.stopPropagation();
      button.dataset.tip = button.dataset.needsSelection;
      button.dispatchEvent(new CustomEvent("tip:show", { bubbles: true }));
    },
    true,
  );
  show();
}

if (document.querySelector("[data-selection-clear]")) store.clearAll();
const table = document.querySelector("table[data-selection]");
if (table) start(table);
// The page came back from the browser's cache and another one has changed the selection meanwhile.
addEventListener("pageshow", (event) => {
  if (event.persisted && table) location.reload();
});
