// Selected rows of a table, kept across pages and sort orders in this browser tab.
//
//   <table data-selection="key" data-total="1234">       rows: <input type="checkbox" value="7">; the key names the
//                                                        list with its filter
//   <form data-selection-form>                           [data-selection-scope], [data-selection-ids] and
//                                                        [data-selection-expected] are filled in
//   [data-selection-bar] [data-selection-count] [data-selection-all] [data-selection-clear-button]
//   [data-selection-number]                              has the number of selected rows
//   [data-needs-selection]                               a button that explains itself while nothing is selected

const PREFIX = "selection:";

const store = {
  read: (key) => {
    try {
      return JSON.parse(sessionStorage.getItem(PREFIX + key)) || {};
    } catch {
      return {};
    }
  },
  write: (key, value) => {
    try {
      if (value) sessionStorage.setItem(PREFIX + key, JSON.stringify(value));
      else sessionStorage.removeItem(PREFIX + key);
    } catch {
      // Storage is full or disabled: the selection lasts as long as this page.
    }
  },
  clearAll: () => {
    try {
      for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
    } catch {
      // Storage is disabled, so nothing was stored.
    }
  },
};

let current = null; // the selection of the table on the page

function start(table) {
  const key = table.dataset.selection;
  const total = Number(table.dataset.total);
  const head = table.querySelector("thead input[type=checkbox]");
  const boxes = [...table.querySelectorAll("tbody input[type=checkbox]")];
  const bar = document.querySelector("[data-selection-bar]");
  const counter = document.querySelector("[data-selection-count]");
  const numbers = document.querySelectorAll("[data-selection-number]");
  const selectAll = document.querySelector("[data-selection-all]");
  const forms = [...document.querySelectorAll("form[data-selection-form]")];
  const { format } = new Intl.NumberFormat("en-GB");

  const saved = store.read(key);
  const ids = new Set(saved.ids);
  let all = Boolean(saved.all);
  let ticked = 0; // rows of this page
  let last = null;
  let unsaved = 0; // a timer

  // Without this script each box is sent with the form; with it the hidden field lists the rows of all pages.
  for (const box of boxes) box.removeAttribute("form");

  const count = () => (all ? total : ids.size);

  // A tick changes its row and the bar; touching the other rows would make the browser lay out hundreds of them.
  function mark(box, on) {
    box.checked = on;
    box.closest("tr").classList.toggle("is-ticked", on);
  }

  function markAll() {
    for (const box of boxes) mark(box, all || ids.has(box.value));
    ticked = boxes.filter((box) => box.checked).length;
  }

  function summary() {
    const elsewhere = all ? 0 : ids.size - ticked;
    if (!count()) return "";
    if (all) return `All ${format(total)} that match are selected`;
    return `${format(count())} selected${elsewhere ? `, ${format(elsewhere)} on other pages` : ""}`;
  }

  function showCount() {
    if (head) {
      head.checked = ticked > 0 && ticked === boxes.length;
      head.indeterminate = ticked > 0 && ticked < boxes.length;
    }
    if (bar) bar.toggleAttribute("data-open", count() > 0);
    if (counter) counter.textContent = summary();
    for (const number of numbers) number.textContent = format(count());
    if (selectAll) selectAll.hidden = all || !head?.checked || total <= count();
    // What is sent and stored can wait until the tick is painted.
    unsaved ||= setTimeout(save);
  }

  function save() {
    clearTimeout(unsaved);
    unsaved = 0;
    for (const form of forms) {
      form.querySelector("[data-selection-scope]").value = all ? "all" : "ids";
      form.querySelector("[data-selection-ids]").value = all ? "" : [...ids].join(",");
      form.querySelector("[data-selection-expected]").value = count();
    }
    store.write(key, count() ? { all, ids: [...ids] } : null);
  }

  // Removing one row from "all that match" leaves the other rows of this page selected.
  function leaveAll() {
    if (!all) return;
    all = false;
    ids.clear();
    for (const box of boxes) ids.add(box.value);
  }

  function tick(box, on) {
    if (ids.has(box.value) === on) return;
    if (on) ids.add(box.value);
    else ids.delete(box.value);
    ticked += on ? 1 : -1;
    mark(box, on);
  }

  table.addEventListener("click", (event) => {
    const box = event.target.closest("input[type=checkbox]");
    if (!box) return;
    const on = box.checked;
    leaveAll();
    if (box === head) {
      for (const other of boxes) tick(other, on);
    } else {
      const from = boxes.indexOf(last);
      const to = boxes.indexOf(box);
      const run = event.shiftKey && from >= 0 ? boxes.slice(Math.min(from, to), Math.max(from, to) + 1) : [box];
      for (const other of run) tick(other, on);
      last = box;
    }
    showCount();
  });
  // Shift-click would also select the text between the two rows.
  table.addEventListener("mousedown", (event) => {
    if (event.shiftKey && event.target.closest("input[type=checkbox]")) event.preventDefault();
  });
  markAll();
  showCount();
  save();
  current = {
    isEmpty: () => !count(),
    save() {
      if (unsaved) save();
    },
    takeAll() {
      all = true;
      markAll();
      showCount();
      bar.querySelector("button:not([hidden]), summary")?.focus();
    },
    clear() {
      all = false;
      ids.clear();
      markAll();
      showCount();
      head?.focus();
    },
  };
}

// The buttons outlive a table that is shown with other columns.
document.addEventListener("click", (event) => {
  const selectAll = event.target.closest("[data-selection-all]");
  // As a link it leads to this list with an exact count.
  if (selectAll && !selectAll.href) current?.takeAll();
  if (event.target.closest("[data-selection-clear-button]")) current?.clear();
});
document.addEventListener(
  "click",
  (event) => {
    current?.save();
    const button = event.target.closest("[data-needs-selection]");
    if (!button || !current?.isEmpty()) return;
    event.preventDefault();
    event.stopPropagation();
    button.dataset.tip = button.dataset.needsSelection;
    button.dispatchEvent(new CustomEvent("tip:show", { bubbles: true }));
  },
  true,
);

addEventListener("pagehide", () => current?.save());

if (document.querySelector("[data-selection-clear]")) store.clearAll();
const table = document.querySelector("table[data-selection]");
if (table) start(table);
document.addEventListener("table:replaced", () => start(document.querySelector("table[data-selection]")));
// Another page may have changed the selection before this one came back from the browser's cache.
addEventListener("pageshow", (event) => {
  if (event.persisted && table) location.reload();
});
