// The grids of the block map: [data-block-grid] has links [data-cell] in rows of ten, which arrow keys move between; one of
// them is a tab stop. What has a [data-range], "first-last", can be selected: a number by a click, a number or a part by Shift
// with a click or an arrow, and a free run by "a". The two ends of the selection are handles that can be dragged. The address
// holds the selection, and the server answers with what it is: #block-selection. Without this script every cell is a link, and a
// range is typed.

const WIDTH = 10;
const grids = [...document.querySelectorAll("[data-block-grid]")];
const cellsOf = (grid) => [...grid.querySelectorAll("[data-cell]")];
const selection = () => document.getElementById("block-selection");
const endsOf = (range) => range.split("-");
const rangeOf = (element) => element?.closest("[data-range]")?.dataset.range;
const chosen = () => new URL(location).searchParams.get("select") ?? "";
let anchor = null; // the range from which Shift selects

function makeTabStop(cell) {
  for (const other of cellsOf(cell.closest("[data-block-grid]"))) other.tabIndex = -1;
  cell.tabIndex = 0;
}

for (const grid of grids) {
  const cells = cellsOf(grid);
  const first = cells.find((cell) => cell.matches("[aria-current], [aria-selected=true] > *")) ?? cells.find((cell) => cell.href);
  if (first) makeTabStop(first);
}

// --- what is selected

function select(range) {
  show(range);
  const address = new URL(selection().dataset.cleared, location.href);
  if (range) address.searchParams.set("select", range);
  history.replaceState(null, "", address);
  // Its requests wait for one another, and of those that wait only the last is sent.
  const bar = "#block-selection";
  window.htmx.ajax("GET", address.pathname + address.search, { source: bar, target: bar, swap: "innerHTML" });
}

function show(range) {
  const [first, last] = endsOf(range);
  for (const holder of document.querySelectorAll("[data-range]")) {
    const [begin, end] = endsOf(holder.dataset.range);
    const touched = range !== "" && begin <= last && first <= end;
    const whole = touched && first <= begin && end <= last;
    if (holder.hasAttribute("aria-selected")) holder.setAttribute("aria-selected", String(whole));
    holder.classList.toggle("is-partly", touched && !whole);
    const strip = holder.querySelector("[data-chosen]");
    if (strip) {
      const from = touched && first > begin ? Number(first.slice(-2)) : 0;
      const to = touched && last < end ? Number(last.slice(-2)) : 99;
      strip.setAttribute("x", `${from}%`);
      strip.setAttribute("width", `${touched ? to - from + 1 : 0}%`);
    }
  }
  for (const run of document.querySelectorAll("[data-select]")) {
    run.toggleAttribute("aria-current", run.dataset.select === range);
  }
  for (const link of document.querySelectorAll("[data-keeps-selection]")) {
    const address = new URL(link.href);
    const prefix = address.searchParams.get("prefix");
    address.searchParams.delete("select");
    const isShown = prefix !== null && first.startsWith(prefix) && last?.startsWith(prefix);
    if (range && isShown) address.searchParams.set("select", range);
    link.href = address.pathname + address.search;
  }
  placeHandles(range);
}

function selectTo(range) {
  const ends = [...endsOf(anchor ?? range), ...endsOf(range)].sort();
  select(`${ends.at(0)}-${ends.at(-1)}`);
}

document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target.id !== "block-selection") return;
  const said = target.querySelector("[data-selection-said]")?.textContent ?? "Nothing selected";
  document.getElementById("block-said").textContent = said.replace(/\s+/g, " ").trim();
});

// --- the handles at its two ends

const handles = ["first", "last"].map((end) => {
  const handle = document.createElement("span");
  handle.className = "range-handle";
  handle.dataset.end = end;
  handle.setAttribute("aria-hidden", "true"); // keyboards have Shift with arrows
  return handle;
});

// Each end has its handle at the smallest cell that holds it, the last one of the page.
function placeHandles(range) {
  const holders = [...document.querySelectorAll("[data-range]")].reverse();
  const size = (holder) => holder.dataset.range.match(/^(.*).*-\1/)[1].length;
  handles.forEach((handle, n) => {
    const end = endsOf(range)[n];
    const holding = holders.filter((holder) => {
      const [first, last] = endsOf(holder.dataset.range);
      return range && first <= end && end <= last;
    });
    const holder = holding.sort((one, other) => size(other) - size(one)).at(0);
    if (!holder) {
      handle.remove();
      return;
    }
    holder.append(handle);
    const at = holder.querySelector("[data-chosen]") ? Number(end.slice(-2)) + n : n * 100;
    handle.style.left = `${at}%`;
  });
}

for (const handle of handles) {
  handle.addEventListener("pointerdown", (down) => {
    if (down.button) return;
    down.preventDefault();
    const before = chosen();
    const fixed = endsOf(before).at(handle === handles[0] ? -1 : 0);
    const drag = ({ clientX, clientY }) => {
      const under = document.elementsFromPoint(clientX, clientY).map(rangeOf).find(Boolean);
      if (!under) return;
      const ends = [fixed, ...endsOf(under)].sort();
      const range = `${ends.at(0)}-${ends.at(-1)}`;
      if (range !== chosen()) select(range);
    };
    const cancel = (event) => {
      if (event.type === "keydown" && event.key !== "Escape") return;
      event.stopImmediatePropagation();
      end();
      select(before);
    };
    const end = () => {
      document.body.classList.remove("is-dragging");
      removeEventListener("pointermove", drag);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", cancel);
      removeEventListener("keydown", cancel, true);
    };
    document.body.classList.add("is-dragging");
    anchor = null;
    addEventListener("pointermove", drag);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", cancel);
    addEventListener("keydown", cancel, true);
  });
  handle.addEventListener("click", (event) => event.stopPropagation());
}

// --- keys and clicks

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
    if (event.shiftKey) {
      anchor ??= rangeOf(cell);
      selectTo(rangeOf(moved));
    } else {
      anchor = null;
    }
  } else if (event.key === "Escape") {
    if (chosen()) {
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
  const range = rangeOf(event.target);
  const cell = event.target.closest("[data-cell]");
  if (range && (event.shiftKey || cell?.dataset.number)) {
    event.preventDefault();
    if (cell) {
      makeTabStop(cell);
      cell.focus();
    }
    if (event.shiftKey) anchor ??= chosen() ? endsOf(chosen())[0] : range;
    else anchor = range;
    selectTo(range);
    return;
  }
  const run = event.target.closest("[data-select]");
  if (run || event.target.closest("[data-selection-off]")) {
    event.preventDefault();
    anchor = null;
    select(run ? run.dataset.select : "");
  }
});

if (selection()) placeHandles(chosen());
