"""Measure on a phone whether everything on a page is in reach of a thumb."""

TARGET = 40  # pixels

# What a touch finds is the control, its labels, or the cell of a box. Links within a sentence are left out.
_MEASURE = """(least) => {
  const tops = "dialog:modal, details.menu[open] > .menu-panel, .sections-menu[open] + .sections, .one-field";
  const root = [...document.querySelectorAll(tops)].pop() || document;
  const found = [], before = [scrollX, scrollY], width = document.documentElement.clientWidth;
  const text = (element) => element.textContent.trim();
  const isInText = (control) => getComputedStyle(control).display === "inline"
    && text(control.closest("p, li, dd, td, label, legend, h1, h2, h3, span, div")) !== text(control);
  const controls = "a[href], button, input:not([type=hidden]), select, textarea, summary, [role=option]";

  for (const control of root.querySelectorAll(controls)) {
    const shown = control.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    if (!shown || control.disabled || control.closest(".visually-hidden, .skip-link")) continue;
    if (control.matches("a, button") && isInText(control)) continue;
    control.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
    const { left, right, top, width: wide, height: high } = control.getBoundingClientRect();
    if (!wide || !high) continue;
    const cell = control.matches("[type=checkbox]") && control.closest("td, th");
    const own = [control, ...(control.labels || []), ...(cell ? [cell] : [])];
    const isOwn = (dx, dy) => {
      const hit = document.elementFromPoint(left + wide / 2 + dx, top + high / 2 + dy);
      const other = hit?.closest("a, button, input, select, textarea, summary");
      return own.some((one) => one.contains(hit)) && (!other || own.some((one) => one.contains(other)));
    };
    if (!isOwn(0, 0)) continue; // scrolled out of a box of its own, or below an open list
    const reach = (dx, dy) => {
      let far = 0;
      while (far < least && isOwn(dx * (far + 1), dy * (far + 1))) far += 1;
      return far;
    };
    const across = reach(-1, 0) + reach(1, 0) + 1, down = reach(0, -1) + reach(0, 1) + 1;
    const what = control.outerHTML.replace(/\\s+/g, " ").slice(0, 110);
    // A box of 40 px has 39 whole pixels around its middle.
    // Ten columns leave a cell 30 px of a phone.
    const narrow = control.closest("[role=grid]") ? 30 : least;
    if (across < narrow - 1 || down < least - 1) found.push(`${across} × ${down} px: ${what}`);
    if (left < -1 || right > width + 1) found.push(`cut: ${what}`);
  }
  scrollTo(...before);
  const needed = document.documentElement.scrollWidth;
  if (needed > width) found.push(`the page is ${needed} px wide`);
  return found;
}"""


def out_of_reach(page):
    """Return a line for each control that is too small or cut, and for a page that scrolls sideways."""
    page.wait_for_load_state()
    return page.evaluate(_MEASURE, TARGET)
