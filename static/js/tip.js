// Truncated text (.cut) shows its full text on hover and focus; [data-tip] shows its explanation, and [data-tip-url]
// the one at that address, relative to the link of its row, loaded when it is first wanted.

const tip = document.createElement("div");
tip.className = "tip";
tip.id = "tip";
tip.setAttribute("role", "tooltip");
tip.popover = "manual";
document.body.append(tip);

let owner = null;
let timer;

const isCut = ({ scrollWidth, clientWidth, scrollHeight, clientHeight }) =>
  scrollWidth > clientWidth + 1 || scrollHeight > clientHeight + 1;

async function load(element) {
  try {
    const headers = { "X-Page-User": document.body.dataset.user };
    const { href } = element.closest("tr").querySelector("[data-row-link]");
    const response = await fetch(new URL(element.dataset.tipUrl, href), { headers });
    if (!response.ok || response.headers.get("X-Session")) throw new Error(response.status);
    element.dataset.tip = await response.text();
    return element.dataset.tip;
  } catch {
    return "The explanation could not be loaded. Reload the page.";
  }
}

function textFor(element) {
  if (element.dataset.tip) return element.dataset.tip;
  if (element.dataset.tipUrl) return load(element);
  return element.matches(".cut") && isCut(element) ? element.textContent.trim() : "";
}

async function show(element) {
  hide();
  owner = element;
  const text = await textFor(element);
  if (!text || owner !== element) return;
  tip.textContent = text;
  element.setAttribute("aria-describedby", "tip");
  tip.showPopover();
  const box = element.getBoundingClientRect();
  const own = tip.getBoundingClientRect();
  const below = box.bottom + 6 + own.height < innerHeight;
  tip.style.top = `${below ? box.bottom + 6 : box.top - own.height - 6}px`;
  tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - own.width - 8))}px`;
}

function hide() {
  clearTimeout(timer);
  if (!owner) return;
  owner.removeAttribute("aria-describedby");
  owner = null;
  tip.hidePopover();
}

const OWNERS = ".cut, [data-tip], [data-tip-url]";
document.addEventListener("pointerover", (event) => {
  const element = event.target.closest?.(OWNERS);
  if (!element || element === owner) return;
  clearTimeout(timer);
  timer = setTimeout(() => show(element), 300);
});
document.addEventListener("pointerout", (event) => {
  const element = event.target.closest?.(OWNERS);
  if (element && !element.contains(event.relatedTarget) && event.relatedTarget !== tip) hide();
});
document.addEventListener("focusin", (event) => {
  const element = event.target.closest(OWNERS);
  if (element && element.matches(":focus-visible")) show(element);
});
document.addEventListener("focusout", hide);
document.addEventListener("scroll", hide, { capture: true, passive: true });
document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
document.addEventListener("tip:show", (event) => show(event.target));

// Only text that is actually truncated is focusable.
function markCut() {
  const cells = [...document.querySelectorAll(".cut:not(a, button)")];
  const cut = cells.map(isCut);
  cells.forEach((cell, index) => {
    if (cut[index]) cell.tabIndex = 0;
    else cell.removeAttribute("tabindex");
  });
}
markCut();
document.addEventListener("table:replaced", markCut);
let resizing;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(markCut, 200);
});
