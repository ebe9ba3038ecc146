// The one search: "/" and Ctrl+K open it over any page. Without this script its link leads to the same search as a page.
//
// Results are links in a listbox; the focus stays in the text box and aria-activedescendant names the active one.
// Old results stay until new ones arrive.

const palette = document.getElementById("palette");
const form = palette?.querySelector("form");
const input = form?.elements.q;
const chip = palette?.querySelector(".palette-chip");
const results = document.getElementById("palette-results");
const status = palette?.querySelector("[role=status]");

let kind = "";
let timer;
let request;
let shown = null; // the text and kind that the results belong to
let waiting = null; // what Enter does as soon as the results of the typed text are there

const options = () => [...results.querySelectorAll("[role=option]")];
const active = () => results.querySelector(".is-active");
const wanted = () => new URLSearchParams({ q: input.value.trim(), ...(kind && { kind }) }).toString();

function activate(option, scroll = true) {
  for (const old of results.querySelectorAll(".is-active")) {
    old.classList.remove("is-active");
    old.setAttribute("aria-selected", "false");
  }
  if (!option) return input.removeAttribute("aria-activedescendant");
  option.classList.add("is-active");
  option.setAttribute("aria-selected", "true");
  input.setAttribute("aria-activedescendant", option.id);
  if (scroll) option.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const all = options();
  if (all.length) activate(all[(all.indexOf(active()) + by + all.length) % all.length]);
}

async function load() {
  const query = wanted();
  request?.abort();
  request = new AbortController();
  const slow = setTimeout(() => results.setAttribute("aria-busy", "true"), 150);
  try {
    const response = await fetch(`${form.action}?${query}`, {
      signal: request.signal,
      headers: { "HX-Request": "true", "X-Page-User": document.body.dataset.user },
    });
    if (response.headers.get("X-Session")) {
      document.dispatchEvent(new CustomEvent("signin", { detail: { element: input, goOn: load } }));
      return;
    }
    if (!response.ok) throw new Error(response.status);
    results.innerHTML = await response.text();
    shown = query;
  } catch (error) {
    if (error.name === "AbortError") return;
    const note = document.createElement("p");
    note.className = "find-nothing";
    note.textContent = "The search did not answer. Check the connection and type again.";
    results.replaceChildren(note);
    shown = waiting = null;
  } finally {
    clearTimeout(slow);
    results.removeAttribute("aria-busy");
  }
  results.scrollTop = 0;
  activate(options()[0]);
  const nothing = results.querySelector(".find-nothing")?.textContent.trim();
  status.textContent = nothing || `${options().length} results`;
  if (shown !== wanted()) return; // more was typed meanwhile: the results that Enter waits for are still to come
  const then = waiting;
  waiting = null;
  then?.();
}

function ask(delay = 80) {
  clearTimeout(timer);
  timer = setTimeout(load, delay);
}

function limit(to, label) {
  kind = to;
  chip.hidden = !to;
  chip.textContent = label || "";
  chip.setAttribute("aria-label", `Search everything instead of ${label}`);
  if (form.elements.kind) form.elements.kind.remove();
  if (to) form.insertAdjacentHTML("beforeend", '<input type="hidden" name="kind">');
  if (to) form.elements.kind.value = to;
  input.focus();
  ask(0);
}

function limitTo(option) {
  const set = option?.closest("[data-kind]");
  if (set) limit(set.dataset.kind, set.getAttribute("aria-label"));
}

function follow(inNewTab) {
  const option = active();
  if (!option) return;
  if (option.hasAttribute("data-limit") && !inNewTab) limitTo(option);
  else if (inNewTab) window.open(option.href, "_blank", "noopener");
  else option.click();
}

function enter(inNewTab) {
  if (input.value.length > 1000) form.requestSubmit(); // a pasted list, which frame.js posts
  else if (shown === wanted()) follow(inNewTab);
  else waiting = () => follow(inNewTab);
}

function clear() {
  input.value = "";
  limit("", "");
}

export function openPalette() {
  if (!palette || palette.open || document.querySelector("dialog:modal")) return;
  palette.showModal();
  input.focus();
  input.select();
  if (shown !== wanted()) ask(0);
}

if (palette) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-palette]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    openPalette();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault(); // the browser's own search box
    if (palette.open) input.select();
    else openPalette();
  });

  input.addEventListener("input", () => {
    waiting = null;
    if (input.value.length <= 1000) ask();
  });

  palette.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      if (input.value || kind) clear();
      else palette.close();
    } else if (event.target === input && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      step(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.target === input && event.key === "Enter") {
      event.preventDefault();
      enter(event.ctrlKey || event.metaKey);
    } else if (event.target === input && event.key === "Tab" && !event.shiftKey && !kind && active()) {
      event.preventDefault();
      limitTo(active());
    } else if (event.target === input && event.key === "Backspace" && kind && !input.value) {
      event.preventDefault();
      limit("", "");
    }
  });

  chip.addEventListener("click", () => limit("", ""));
  results.addEventListener("pointermove", (event) => {
    const option = event.target.closest("[role=option]");
    if (option && option !== active()) activate(option, false);
  });
  results.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the focus in the text box
  results.addEventListener("click", (event) => {
    const option = event.target.closest("[data-limit]");
    if (!option || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    limitTo(option);
  });
  palette.addEventListener("click", (event) => {
    if (event.target === palette) palette.close();
  });
}
