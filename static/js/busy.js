// Shows progress when a request takes longer than 150 ms: a bar at the top of the page and a busy button.

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
  const paragraph = document.createElement("p");
  paragraph.textContent = text;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-sm";
  button.dataset.dismiss = "";
  button.textContent = "Dismiss";
  box.append(paragraph, button);
  // A modal dialog makes everything outside it inert, so the message goes inside.
  const dialog = document.querySelector("dialog:modal .dialog-body");
  (dialog || document.querySelector(".notices")).prepend(box);
}

// htmx. Polling (data-quiet) shows no progress and no errors: nobody waits for it, and it is repeated anyway.
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
  if (status === 403) notice("You don’t have permission to do this. Ask an administrator.");
  else if (status === 404) notice("This no longer exists; it may have been deleted. Reload the page.");
  else if ([413, 429, 503].includes(status) && detail.xhr.getResponseHeader("Content-Type")?.startsWith("text/plain")) {
    notice(detail.xhr.responseText);
  }
  else {
    const id = status >= 500 && detail.xhr.getResponseHeader("X-Request-ID");
    const quote = id ? ` If it happens again, tell an administrator this number: ${id}` : "";
    notice(`The server reported an error (${status}). Reload the page before you try again.${quote}`);
  }
});
document.addEventListener("notice", (event) => notice(event.detail));
document.addEventListener("htmx:beforeSwap", (event) => {
  // A whole page instead of a part: the address leads elsewhere by now.
  if (/^\s*<!doctype/i.test(event.detail.xhr.responseText)) {
    event.detail.shouldSwap = false;
    location.reload();
  }
});

// Plain forms are submitted once, however often the button is pressed. Downloads don't leave the page.
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
  // Deferred: the value of a disabled button would not be submitted.
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

// Restored from the back/forward cache: undo the busy state in which the page was left.
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
