// Sheets for phones, built when they are opened: the actions of a row, and the orders of a list.
//
//   <button class="row-menu">   opens the actions that its row offers as icons on wide screens
//   <a class="sort">            several in the head of a table get a button that names the order and opens them

const title = document.createElement("h2");
title.id = "sheet-title";
const items = document.createElement("ul");
let sheet = null;

function open(name, choices) {
  sheet ||= build();
  title.textContent = name;
  items.replaceChildren(
    ...choices.map((choice) => {
      const item = document.createElement("li");
      item.append(choice);
      return item;
    }),
  );
  sheet.showModal();
  choices[0].focus();
}

function build() {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog bottom-sheet";
  dialog.setAttribute("aria-labelledby", title.id);
  const head = document.createElement("div");
  head.className = "dialog-head";
  head.append(title, document.querySelector("#keys [data-dialog-close]").cloneNode(true));
  dialog.append(head, items);
  document.body.append(dialog);
  return dialog;
}

function picture(icon) {
  const svg = icon.querySelector("svg");
  if (svg) return svg.cloneNode(true);
  const background = document.createElement("span");
  background.className = [...icon.classList].filter((name) => name.startsWith("row-icon")).join(" ");
  return background;
}

// Presses the icon itself, so that its rights, its sentences and what it sends are the same.
function action(icon) {
  const choice = document.createElement("button");
  choice.type = "button";
  choice.append(picture(icon), icon.dataset.tip || icon.ariaLabel);
  choice.addEventListener("click", () => {
    sheet.close();
    icon.click();
  });
  return choice;
}

// Its icon is not shown on phones, so the button that opened the sheet says it.
document.addEventListener("copied", ({ target, detail }) => {
  const rowMenu = target.closest("tr")?.querySelector(".row-menu");
  if (!rowMenu?.checkVisibility()) return;
  rowMenu.dataset.tip = detail;
  rowMenu.dispatchEvent(new CustomEvent("tip:show", { bubbles: true }));
  delete rowMenu.dataset.tip;
});

function order(label, href, isCurrent) {
  const choice = document.createElement("a");
  choice.textContent = label;
  choice.href = href;
  if (isCurrent) choice.setAttribute("aria-current", "true");
  return choice;
}

// A header leads to its column in ascending order, or reverses it.
function orders(link) {
  const label = link.textContent.trim();
  const current = link.closest("th").ariaSort;
  if (!current) return [order(label, link.href)];
  const other = current === "ascending" ? "descending" : "ascending";
  return [order(`${label}, ${current}`, location.href, true), order(`${label}, ${other}`, link.href)];
}

document.addEventListener("click", ({ target }) => {
  const rowMenu = target.closest(".row-menu");
  if (rowMenu) {
    const icons = rowMenu.closest("tr").querySelectorAll(".col-actions [data-tip], [data-copy]");
    open(rowMenu.ariaLabel, [...icons].map(action));
  }
  const head = target.closest(".sort-menu")?.closest("tr");
  if (head) open("Sort by", [...head.querySelectorAll(".sort")].flatMap(orders));
});

function addSortMenus() {
  for (const head of document.querySelectorAll(".list-table > thead > tr")) {
    const [, second] = head.querySelectorAll(".sort");
    if (!second || head.querySelector(".sort-menu")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-quiet";
    button.ariaHasPopup = "dialog";
    const selector = head.querySelector("th:not([aria-sort]) > .sort > svg").cloneNode(true);
    const current = head.querySelector("[aria-sort]");
    const by = document.createElement("span");
    by.className = "visually-hidden";
    by.textContent = "Sort by ";
    button.append(selector, ...(current ? [by, `${current.textContent.trim()}, ${current.ariaSort}`] : ["Sort"]));
    const cell = document.createElement("td");
    cell.className = "sort-menu";
    cell.append(button);
    head.append(cell);
  }
}
addSortMenus();
document.addEventListener("table:replaced", addSortMenus);
