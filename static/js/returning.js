// Returns to a list as it was left: its address, the scroll position and the row that had the focus.
//
//   <table data-keys>     a list; its rows are known by the address of their [data-row-link]
//   <a class="back">      leads back to the list that was shown last at the path of its address
//   <a class="sort">      after sorting the focus is on the same header

const read = (key) => {
  try {
    return JSON.parse(sessionStorage.getItem(key));
  } catch {
    return null; // storage is switched off
  }
};
export const write = (key, value) => {
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage is full or switched off: the list opens at its top.
  }
};
export const take = (key) => {
  const value = read(key);
  if (value) sessionStorage.removeItem(key);
  return value;
};
const listKey = (path) => `list:${path}`;

const rowsOf = (table) => [...table.querySelectorAll("tbody tr")];
const linkOf = (row) => row?.querySelector("[data-row-link]")?.getAttribute("href");
const table = document.querySelector("table[data-keys]");

if (table) {
  const here = location.pathname + location.search;
  const frame = table.closest(".table-frame"); // scrolls by itself when its columns are wider than the page
  let row = null;
  document.addEventListener("focusin", ({ target }) => (row = target.closest("table[data-keys] tbody tr") || row));
  document.addEventListener("click", ({ target }) => (row = target.closest("table[data-keys] tbody tr") || row));
  addEventListener("pagehide", () => {
    const scrolled = { scroll: scrollY, frame: [frame.scrollLeft, frame.scrollTop] };
    write(listKey(location.pathname), { here, link: linkOf(row), ...scrolled });
  });

  const left = read(listKey(location.pathname));
  const isBack = performance.getEntriesByType("navigation")[0]?.type === "back_forward";
  if ((take("returning") === here || isBack) && left?.here === here) {
    row = left.link && rowsOf(table).find((one) => linkOf(one) === left.link);
    if (row) {
      row.tabIndex = -1;
      row.focus({ preventScroll: true });
    }
    scrollTo(0, left.scroll);
    frame.scrollTo(...left.frame);
  }

  document.addEventListener("click", ({ target }) => {
    const sort = target.closest("th a.sort");
    if (sort) write("sorted", [...sort.closest("tr").children].indexOf(sort.closest("th")));
  });
  const sorted = take("sorted");
  if (Number.isInteger(sorted)) table.querySelector("thead tr").children[sorted]?.querySelector("a")?.focus({ preventScroll: true });
}

for (const back of document.querySelectorAll("a.back")) {
  const left = read(listKey(back.pathname));
  if (!left) continue;
  back.href = left.here;
  back.addEventListener("click", () => write("returning", left.here));
}
