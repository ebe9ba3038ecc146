// <select data-choices-url="/operators/choices/"> becomes a combobox that loads its options while the user types.
//
// The select stays in the form and holds the value, so the server sees no difference and the page works without this
// script. Text that was typed but not picked is sent as well if a text box follows the select, whose name it takes:
// <input data-typed>. The URL answers ?q= with {"results": [{"id", "text", "note"}], "more": true}.
// Pattern: the combobox with listbox popup of the ARIA authoring practices.
// Tom Select 2.6.2 was rejected: axe-core reports that the select it hides has no name (critical, select-name).

let serial = 0;
const boxes = new WeakMap(); // input: its Combobox
let opened = null;

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

class Combobox {
  constructor(select) {
    serial += 1;
    this.select = select;
    this.url = select.dataset.choicesUrl;
    this.multiple = select.multiple;
    this.results = [];
    this.active = -1;
    this.seen = new Map();
    // The text box for a part of a name becomes part of the combobox.
    const typed = select.nextElementSibling?.matches("[data-typed]") ? select.nextElementSibling : null;
    this.typedName = typed?.name || "";
    typed?.remove();

    const name = document.querySelector(`label[for="${select.id}"]`)?.textContent.trim() || select.name;
    const empty = [...select.options].find((option) => option.value === "");
    this.list = element("ul", { role: "listbox", id: `choices-${serial}`, "aria-label": name });
    this.note = element("p", { class: "combobox-note" });
    this.popup = element("div", { class: "combobox-popup", popover: "manual" }, this.list, this.note);
    this.status = element("span", { class: "visually-hidden", role: "status" });
    this.chips = element("span", { class: "combobox-chips" });
    this.warning = element("p", { class: "field-error", role: "alert" });
    this.input = element("input", {
      type: "text",
      role: "combobox",
      class: "combobox-input",
      id: select.id,
      autocomplete: "off",
      spellcheck: "false",
      placeholder: select.dataset.placeholder || empty?.text || "",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": this.list.id,
    });
    for (const key of ["aria-describedby", "aria-invalid", "autofocus"]) {
      if (select.hasAttribute(key)) this.input.setAttribute(key, select.getAttribute(key));
    }
    this.box = element("div", { class: "combobox" }, this.chips, this.input, this.popup, this.status);
    this.box.classList.toggle("is-invalid", select.getAttribute("aria-invalid") === "true");
    select.id = `${select.id}-value`;
    select.hidden = true;
    select.required = false;
    select.after(this.box);
    boxes.set(this.input, this);

    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => this.leave());
    this.box.addEventListener("click", (event) => {
      if (event.target === this.box || event.target === this.chips) this.input.focus();
      else if (event.target === this.input) this.ask();
    });
    // A click in the popup must not move the focus out of the input.
    this.popup.addEventListener("mousedown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const index = [...this.list.children].indexOf(event.target.closest("[role=option]"));
      if (index >= 0) this.choose(index);
    });
    const begin = () => {
      this.show();
      if (typed?.value) this.input.value = typed.value;
      this.name();
    };
    this.select.form?.addEventListener("reset", () => setTimeout(begin));
    begin();
  }

  // Gives the input a name while its text is a search and not the text of the chosen option.
  name() {
    const searches = this.typedName && this.input.value.trim() && !this.isOwn();
    if (searches) this.input.name = this.typedName;
    else this.input.removeAttribute("name");
  }

  isOwn() {
    return !this.multiple && this.input.value === this.chosen()[0]?.text;
  }

  // Text that is neither a choice nor a search.
  isUnpicked() {
    return this.input.value.trim() !== "" && !this.input.name && !this.isOwn();
  }

  mark(wrong) {
    this.box.classList.toggle("is-invalid", wrong);
    if (wrong) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
    this.warning.remove();
  }

  warn() {
    this.mark(true);
    const sentence = `“${this.input.value.trim()}” is not picked. Pick an option, or empty the box.`;
    this.warning.replaceChildren(element("span", {}, sentence));
    this.box.after(this.warning);
    this.input.focus();
  }

  chosen() {
    return [...this.select.selectedOptions].filter((option) => option.value !== "");
  }

  show() {
    const chosen = this.chosen();
    if (!this.multiple) {
      this.input.value = chosen[0]?.text || "";
      this.name();
      return;
    }
    this.input.value = "";
    this.name();
    this.chips.replaceChildren(
      ...chosen.map((option) => {
        const button = element("button", { type: "button", "aria-label": `Remove ${option.text}` }, "×");
        button.addEventListener("click", () => {
          this.drop(option);
          this.input.focus();
        });
        return element("span", { class: "combobox-chip" }, option.text, button);
      }),
    );
  }

  changed() {
    this.show();
    this.mark(false);
    this.select.dispatchEvent(new Event("input", { bubbles: true }));
    this.select.dispatchEvent(new Event("change", { bubbles: true }));
  }

  drop(option) {
    option.selected = false;
    this.changed();
  }

  typed() {
    this.name();
    this.mark(false);
    if (!this.multiple && this.input.value === "" && this.chosen().length) {
      this.select.value = "";
      this.changed();
    }
    this.ask(150);
  }

  ask(delay = 0) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), delay);
  }

  async load() {
    // The text of the chosen option is not a search: opening shows all options.
    const query = this.isOwn() ? "" : this.input.value.trim();
    this.request?.abort();
    this.request = new AbortController();
    let answer = this.seen.get(query);
    if (!answer) {
      const slow = setTimeout(() => this.box.setAttribute("aria-busy", "true"), 150);
      try {
        const url = new URL(this.url, location.href);
        url.searchParams.set("q", query);
        const response = await fetch(url, {
          signal: this.request.signal,
          headers: { Accept: "application/json", "X-Page-User": document.body.dataset.user || "" },
        });
        if (response.headers.get("X-Session")) {
          const goOn = () => this.load();
          document.dispatchEvent(new CustomEvent("signin", { detail: { element: this.input, goOn } }));
          return;
        }
        if (!response.ok) throw new Error(response.status);
        answer = await response.json();
        this.seen.set(query, answer);
      } catch (error) {
        if (error.name === "AbortError") return;
        answer = { results: [], failed: true };
      } finally {
        clearTimeout(slow);
        this.box.removeAttribute("aria-busy");
      }
    }
    if (document.activeElement === this.input) this.open(answer);
  }

  open({ results, more, failed }) {
    const taken = new Set(this.chosen().map((option) => option.value));
    this.results = results;
    this.list.replaceChildren(
      ...results.map((result, index) => {
        const item = element(
          "li",
          { role: "option", id: `${this.list.id}-${index}`, "aria-selected": String(taken.has(String(result.id))) },
          element("span", {}, result.text),
        );
        if (result.note) item.append(" ", element("small", {}, result.note));
        return item;
      }),
    );
    this.list.hidden = !results.length;
    this.note.textContent = failed
      ? "The list could not be loaded. Type again to retry."
      : !results.length
        ? "Nothing found."
        : more
          ? "There are more. Type to narrow the list."
          : "";
    this.note.hidden = !this.note.textContent;
    this.status.textContent = results.length
      ? `${results.length}${more ? " or more" : ""} options`
      : this.note.textContent;
    if (!this.popup.matches(":popover-open")) this.popup.showPopover();
    opened = this;
    this.input.setAttribute("aria-expanded", "true");
    this.place();
    this.move(this.input.value && results.length && !taken.size ? 0 : -1);
  }

  place() {
    const box = this.box.getBoundingClientRect();
    this.popup.style.width = `${box.width}px`;
    this.popup.style.left = `${Math.max(8, Math.min(box.left, innerWidth - this.popup.offsetWidth - 8))}px`;
    const height = this.popup.offsetHeight;
    const above = box.bottom + height + 4 > innerHeight && box.top > height + 4;
    this.popup.style.top = `${above ? box.top - height - 4 : box.bottom + 4}px`;
  }

  close() {
    clearTimeout(this.timer);
    this.request?.abort();
    if (this.popup.matches(":popover-open")) this.popup.hidePopover();
    if (opened === this) opened = null;
    this.input.setAttribute("aria-expanded", "false");
    this.move(-1);
  }

  move(index) {
    this.list.children[this.active]?.classList.remove("is-active");
    this.active = index;
    const item = this.list.children[index];
    if (!item) {
      this.input.removeAttribute("aria-activedescendant");
      return;
    }
    item.classList.add("is-active");
    item.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", item.id);
  }

  choose(index) {
    const { id, text } = this.results[index];
    let option = [...this.select.options].find((one) => one.value === String(id));
    if (!option) {
      option = new Option(text, id);
      this.select.add(option);
    }
    option.selected = this.multiple ? !option.selected : true;
    this.close();
    this.changed();
  }

  key(event) {
    const open = this.popup.matches(":popover-open");
    const count = this.results.length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) this.ask();
      else if (count) {
        const by = event.key === "ArrowDown" ? 1 : -1;
        this.move(this.active < 0 ? (by > 0 ? 0 : count - 1) : (this.active + by + count) % count);
      }
    } else if (event.key === "Enter" && open && (this.active >= 0 || !this.input.name)) {
      event.preventDefault();
      if (this.active >= 0) this.choose(this.active);
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      event.stopPropagation();
      this.close();
      this.show();
      this.mark(false);
    } else if (event.key === "Backspace" && this.multiple && !this.input.value) {
      const last = this.chosen().at(-1);
      if (last) this.drop(last);
    }
  }

  // Picks the only option with exactly this text and marks other text. A sentence here would move a button away
  // from under the pointer that is about to click it.
  leave() {
    this.close();
    if (!this.isUnpicked()) return;
    const text = this.input.value.trim().toLowerCase();
    const same = this.results.filter((result) => result.text.toLowerCase() === text);
    if (same.length === 1) this.choose(this.results.indexOf(same[0]));
    else this.mark(true);
  }
}

function enhance(root) {
  for (const select of root.querySelectorAll("select[data-choices-url]:not([hidden])")) new Combobox(select);
}

// A form is not sent while it has text that was not picked, which would be dropped.
document.addEventListener(
  "submit",
  (event) => {
    const wrong = [...event.target.elements].map((control) => boxes.get(control)).find((box) => box?.isUnpicked());
    if (!wrong) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    wrong.warn();
  },
  { capture: true },
);

enhance(document);
// With an outerHTML swap the new element is event.target.
document.addEventListener("htmx:afterSwap", (event) => [event.detail.target, event.target].forEach(enhance));
// The popup is positioned once; it closes when the page scrolls.
addEventListener(
  "scroll",
  (event) => {
    if (opened && !opened.popup.contains(event.target)) opened.close();
  },
  { capture: true, passive: true },
);
