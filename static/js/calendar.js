// <input> and, after it, <button data-calendar="datetime-local">: a date as text, "28 Nov 2026, 17:45". The button opens
// the browser's own calendar; what is picked there is written into the input.

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const SHOWN = /^(\d{1,2}) ([a-z]{3})[a-z]* (\d{4})(?:,? (\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?: ([+-]\d\d:\d\d))?)?$/i;
const ISO = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d:\d\d)(:\d\d)?)?/;

// "28 Nov 2026, 17:45" → "2026-11-28T17:45"; other text stays as it is: the server reads more forms than this one.
function toISO(text) {
  const [, day, name, year, time, offset] = text.trim().match(SHOWN) ?? [];
  const month = MONTHS.findIndex((one) => one.toLowerCase() === name?.toLowerCase()) + 1;
  if (!month) return text;
  const two = (number) => String(number).padStart(2, "0");
  return `${year}-${two(month)}-${two(day)}${time ? `T${time}` : ""}${offset ?? ""}`;
}

function toShown(iso) {
  const [, year, month, day, time, seconds] = iso.match(ISO) ?? [];
  if (!year) return "";
  const shown = `${Number(day)} ${MONTHS[month - 1]} ${year}`;
  return time ? `${shown}, ${time}${seconds && seconds !== ":00" ? seconds : ""}` : shown;
}

// The control with the calendar is invisible and only gives the calendar its place, so that it has no second name.
function pickerOf(button) {
  if (button.nextElementSibling) return button.nextElementSibling;
  const text = button.previousElementSibling;
  const picker = document.createElement("input");
  picker.type = button.dataset.calendar;
  if (button.dataset.step) picker.step = button.dataset.step;
  picker.className = "calendar-picker";
  picker.tabIndex = -1;
  picker.setAttribute("aria-hidden", "true");
  for (const kind of ["input", "change"]) {
    picker.addEventListener(kind, (event) => {
      event.stopPropagation();
      text.value = toShown(picker.value);
      text.dispatchEvent(new Event(kind, { bubbles: true }));
    });
  }
  button.after(picker);
  picker.getBoundingClientRect(); // lays it out: the browser would open the calendar in a corner of the page
  return picker;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-calendar]");
  if (!button) return;
  const picker = pickerOf(button);
  const [day, time] = toISO(button.previousElementSibling.value).slice(0, 19).split("T");
  picker.value = picker.type === "date" ? day : `${day}T${time ?? "00:00"}`; // "" unless it is a date
  picker.showPicker();
});

// An address carries dates as ISO.
document.addEventListener("formdata", ({ target, formData }) => {
  if (target.method !== "get") return;
  for (const button of target.querySelectorAll("[data-calendar]")) {
    const { name } = button.previousElementSibling;
    if (formData.get(name)) formData.set(name, toISO(formData.get(name)));
  }
});
