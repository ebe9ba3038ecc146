// What takes longer than 150 ms shows that it works: a line at the top of the page and a button that is busy.

const line = document.getElementById("progress");
let timer;
let running = 0;

function start() {
  running += 1;
  if (running === 1) timer = setTimeout(() => (line.hidden = false), 150);
}

function stop() {
  running = Math.max(0, running - 1);
  if (running) return;
  clearTimeout(timer);
  line.hidden = true;
}

function notice(text) {
  const box = document.createElement("div");
  box.className = "notice notice-error";
  box.setAttribute("role", "alert");
  const words = document.createElement("p");
  words.textContent = text;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-sm";
  button.dataset.dismiss = "";
  button.textContent = "Dismiss";
  box.append(words, button);
  // A modal dialog makes everything outside it unreachable, so the words go inside.
  const dialog = document.querySelector("dialog:modal .dialog-body");
  (dialog || document.querySelector(".notices")).prepend(box);
}

// htmx. What a page asks for by itself now and then (data-quiet) is nobody's waiting, and is asked again anyway.
const quiet = (event) => event.detail.elt.matches("[data-quiet]");
document.addEventListener("htmx:beforeRequest", (event) => quiet(event) || start());
document.addEventListener("htmx:afterRequest", (event) => quiet(event) || stop());
document.addEventListener("htmx:sendError", (event) => {
  if (!quiet(event)) notice("The server did not answer. Check the connection and try again.");
});
document.addEventListener("htmx:responseError", (event) => {
  const { detail } = event;
  if (quiet(event)) return;
  const status = detail.xhr.status;
  if (status === 403) notice("You do not have the right to do this. Ask an administrator.");
  else if (status === 404) notice("This is gone: somebody may have deleted it. Reload the page.");
  else notice(`The server answered with an error (${status}). Reload the page before you try again.`);
});
document.addEventListener("htmx:beforeSwap", (event) => {
  // A whole page where a part was asked for: the session is over and this is the sign-in page.
  if (/^\s*<!doctype/i.test(event.detail.xhr.responseText)) {
    event.detail.shouldSwap = false;
    location.reload();
  }
});

// Plain forms: one submit, however often the button is pressed. Downloads leave the page as it is.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const download = form.matches("[data-download]") || event.submitter?.matches("[data-download]");
  if (event.defaultPrevented || download || form.method === "dialog") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  start();
  // Later, not now: a disabled button would not be sent with its form.
  setTimeout(() => {
    if (!event.submitter) return;
    event.submitter.disabled = true;
    event.submitter.setAttribute("aria-busy", "true");
  });
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.matches("[download], [data-download]") || link.origin !== location.origin) return;
  if (link.hash && link.pathname === location.pathname && link.search === location.search) return;
  start();
});

// Back from the browser's cache: everything is as it was when the page was left.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  running = 0;
  stop();
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("button[aria-busy]")) {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
});
