// Asks to sign in again, over the page as it is, when the session has ended, and then sends the very request.
//
//   <body data-user="7" data-user-name="clara.okafor" data-session-url="/session/">   whose page this is
//   <form data-session-ended>    has no session to check: the dialog itself, signing out
//   <button data-goes-on="save"> what the dialog's button says goes on, instead of the button's own words
//   <div data-quiet>             requests by itself what nobody waits for, such as a preview
//   <div data-quiet="watched">   … what somebody may watch, such as progress: asks once
//
// A plain form is checked before it is sent, because afterwards the page and an upload would be lost. A request of htmx
// or of another script ({signin: {detail: {element, goOn}}}) is answered with the header X-Session and sent again.

const { user, userName, sessionUrl } = document.body.dataset;
const dialog = document.getElementById("session");
let waiting = new Map(); // {element: what goes on once its user is signed in}
let isChecking = false;
let isStill = false; // what is watched stands still, and its user has been asked to sign in

function takeToken(token) {
  if (!token) return;
  for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
}

const isWatched = (element) => element.matches('[data-quiet="watched"]');
const notice = (text) => document.dispatchEvent(new CustomEvent("notice", { detail: text }));

// "Create 112 DIDs" → "Sign in and create 112 DIDs"
function label(button) {
  const words = (button?.dataset.goesOn || button?.textContent || "").trim().replace(/\s+/g, " ").replace(/…$/, "");
  if (["OK", "Apply"].includes(words)) return "Sign in and save";
  if (!words || words.length > 40) return "Sign in and continue";
  return `Sign in and ${/^\p{Lu}\p{Ll}/u.test(words) ? words[0].toLowerCase() + words.slice(1) : words}`;
}

function show(isOther) {
  dialog.querySelector("form").hidden = isOther;
  dialog.querySelector("[data-session-other]").hidden = !isOther;
  dialog.setAttribute("aria-labelledby", isOther ? "session-other-title" : "session-title");
  if (!dialog.open) dialog.showModal();
  isStill = [...waiting.keys()].some(isWatched);
  dialog.querySelector(isOther ? "[data-session-other] .btn" : "#again-password").focus();
}

function proceed() {
  const next = [...waiting.values()];
  waiting = new Map();
  isStill = false;
  dialog.close();
  for (const goOn of next) goOn();
}

async function fail(sentence) {
  const somebodyWaits = ![...waiting.keys()].every(isWatched);
  waiting.clear();
  if (somebodyWaits) notice(await sentence);
}

// Calls goOn() as soon as the user of this page is known to be signed in; once for an element.
async function ensure(element, goOn, button) {
  waiting.set(element, goOn);
  if (isChecking) return;
  isChecking = true;
  let response;
  try {
    response = await fetch(sessionUrl, { headers: { "X-Page-User": user, "HX-Request": "true" }, cache: "no-store" });
  } catch {
    fail("The server did not answer, so nothing was sent. Check the connection and try again.");
    return;
  } finally {
    isChecking = false;
  }
  takeToken(response.headers.get("X-CSRF-Token"));
  if (response.ok) {
    proceed();
  } else if (response.status === 401) {
    dialog.querySelector("[data-goes-on]").textContent = label(button);
    show(false);
  } else if (response.status === 409) {
    const now = decodeURI(response.headers.get("X-User"));
    dialog.querySelector("[data-now]").textContent = `You are now ${now}; this page belongs to ${userName}.`;
    show(true);
    waiting.clear();
  } else {
    await fail(response.text());
  }
}

// What is watched is requested every second anyway, so nothing has to be sent again.
function still(element) {
  if (dialog.open) isStill = true;
  else if (!isStill) ensure(element, () => {});
}

function moves() {
  if (isStill && dialog.open && [...waiting.keys()].every(isWatched)) proceed(); // signed in on another page
  isStill = false;
}

if (user) {
  document.addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    const method = submitter?.getAttribute("formmethod") || form.getAttribute("method") || "get";
    if (event.defaultPrevented || method.toLowerCase() !== "post" || form.matches("[data-session-ended]")) return;
    if (form.dataset.checked) return;
    event.preventDefault();
    ensure(form, () => {
      form.dataset.checked = "1";
      // A preview may have replaced the button.
      form.requestSubmit(submitter?.form === form ? submitter : undefined);
      delete form.dataset.checked;
    }, submitter);
  });

  document.addEventListener("htmx:configRequest", (event) => (event.detail.headers["X-Page-User"] = user));

  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const { elt, requestConfig, target, xhr } = event.detail;
    if (!xhr.getResponseHeader("X-Session")) return isWatched(elt) && moves();
    event.preventDefault();
    if (isWatched(elt)) return still(elt);
    if (elt.matches("[data-quiet]")) return;
    const { formData, path, triggeringEvent, verb } = requestConfig;
    const repeat = () => {
      if (!elt.isConnected) return;
      const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value;
      if (formData.has("csrfmiddlewaretoken")) formData.set("csrfmiddlewaretoken", token);
      htmx.ajax(verb, path, { source: elt, event: triggeringEvent, target, values: formData });
    };
    ensure(elt, repeat, triggeringEvent?.submitter);
  });

  document.addEventListener("signin", ({ detail }) => ensure(detail.element, detail.goOn));

  dialog.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (detail.xhr.status !== 204) return;
    takeToken(detail.xhr.getResponseHeader("X-CSRF-Token"));
    proceed();
  });
  dialog.addEventListener("htmx:afterSwap", () => dialog.querySelector("#again-password").focus());
  for (const way of ["cancel", "click"]) {
    dialog.addEventListener(way, ({ target, type }) => {
      if (type !== "cancel" && !target.closest("[data-dialog-close]")) return;
      waiting.clear();
      const say = () => notice("Progress on this page no longer updates: the session has ended. Reload the page to sign in.");
      if (isStill) dialog.addEventListener("close", say, { once: true }); // an open dialog would get the notice
    });
  }
  dialog.querySelector("[data-reload]").addEventListener("click", () => location.assign(location.href));
  dialog.addEventListener("close", () => {
    const password = dialog.querySelector("#again-password");
    password.value = "";
    password.removeAttribute("aria-invalid");
    dialog.querySelector("#again-errors")?.remove();
  });
}
