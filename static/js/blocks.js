// The grids of the block map: [data-block-grid] has links [data-cell] in rows of ten, which arrow keys move between; one of
// them is a tab stop. In the grid [data-numbers] a click, Shift with a click or an arrow, and "a" (the free run) select a
// range. The address holds it, and the server answers with what it is: #block-selection. Without this script every cell is a
// link.

const WIDTH = 10;
const grids = [...document.querySelectorAll("[data-block-grid]")];
const cellsOf = (grid) => [...grid.querySelectorAll("[data-cell]")];
let anchor = null;

function makeTabStop(cell) {
  for (const other of cellsOf(cell.closest("[data-block-grid]"))) other.tabIndex = -1;
  cell.tabIndex = 0;
}

for (const grid of grids) {
  const cells = cellsOf(grid);
  const first = cells.find((cell) => cell.matches("[aria-current], [aria-selected=true] > *")) ?? cells.find((cell) => cell.href);
  if (first) makeTabStop(first);
}

const numbers = document.querySelector("[data-numbers]");
const selection = () => document.getElementById("block-selection");

function select(range) {
  const [first, last] = range.split("-");
  for (const cell of cellsOf(numbers)) {
    const chosen = range !== "" && cell.dataset.number >= first && cell.dataset.number <= last;
    cell.parentElement.setAttribute("aria-selected", String(chosen));
  }
  for (const run of document.querySelectorAll("[data-select]")) {
    run.toggleAttribute("aria-current", run.dataset.select === range);
  }
  const address = new URL(selection().dataset.cleared, location.href);
  if (range) address.searchParams.set("select", range);
  history.replaceState(null, "", address);
  // Its requests wait for one another, and of those that wait only the last is sent.
  const bar = "#block-selection";
  window.htmx.ajax("GET", address.pathname + address.search, { source: bar, target: bar, swap: "innerHTML" });
}

function selectTo(cell) {
  const ends = [(anchor ?? cell).dataset.number, cell.dataset.number].sort();
  select(ends.join("-"));
}

function selectFrom(cell) {
  anchor = cell;
  selectTo(cell);
}

function target(event) {
  const cell = event.target.closest("[data-cell]");
  if (!cell) return null;
  const cells = cellsOf(cell.closest("[data-block-grid]"));
  const at = cells.indexOf(cell);
  const column = at % WIDTH;
  const to = {
    ArrowLeft: column > 0 && at - 1,
    ArrowRight: column < WIDTH - 1 && at + 1,
    ArrowUp: at - WIDTH,
    ArrowDown: at + WIDTH,
    Home: at - column,
    End: at - column + WIDTH - 1,
  }[event.key];
  return to === false ? cell : (cells[to] ?? (to === undefined ? null : cell));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog:modal")) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const cell = event.target.closest("[data-cell]");
  const moved = target(event);
  if (moved) {
    event.preventDefault();
    makeTabStop(moved);
    moved.focus();
    if (event.shiftKey && moved.dataset.number) {
      anchor ??= cell;
      selectTo(moved);
    } else {
      anchor = null;
    }
  } else if (event.key === "Escape") {
    if (selection()?.firstElementChild) {
      anchor = null;
      select("");
    } else {
      document.querySelector("[data-zoom-out]")?.click();
    }
  } else if (event.key === "f") {
    document.querySelector("[data-find-run]")?.click();
  } else if (event.key === "a" && cell?.dataset.run) {
    select(cell.dataset.run);
  }
});

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.button) return;
  const cell = event.target.closest("[data-number]");
  if (cell) {
    event.preventDefault();
    makeTabStop(cell);
    cell.focus();
    if (event.shiftKey) {
      anchor ??= [...numbers.querySelectorAll("[aria-selected=true] > [data-number]")].at(0) ?? cell;
      selectTo(cell);
    } else {
      selectFrom(cell);
    }
    return;
  }
  const run = event.target.closest("[data-select]");
  if (run || event.target.closest("[data-selection-off]")) {
    event.preventDefault();
    anchor = null;
    select(run ? run.dataset.select : "");
  }
});
