// Step 2 of an import: open questions are answered before the lines are checked.
//
// Without this script the server answers a check with open questions by the page, which names them.

const polite = document.getElementById("polite");
const openQuestions = () => [...document.querySelectorAll("#columns .question:not(.is-done)")];

function focusOn(question) {
  const control = question.querySelector("[aria-invalid=true], input:not([type=hidden]):not([hidden]), select:not([hidden])");
  const selects = [...question.querySelectorAll("select:not([hidden])")];
  const unanswered = selects.find((select) => !select.value || select.value.startsWith("?"));
  (unanswered || control)?.focus();
  question.scrollIntoView({ block: "nearest" });
}

function say(text) {
  polite.textContent = "";
  setTimeout(() => (polite.textContent = text), 50);
}

// In the capture phase: busy.js would count the form as sent.
document.addEventListener(
  "submit",
  (event) => {
    if (event.target.id !== "columns" || event.submitter?.name) return;
    const open = openQuestions();
    if (!open.length) return;
    event.preventDefault();
    focusOn(open[0]);
    const text = open.length === 1 ? "1 question is open" : `${open.length} questions are open`;
    const hint = document.querySelector(".decide > header .hint");
    hint.textContent = text;
    hint.classList.add("is-urgent");
    say(text);
  },
  true,
);

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-next-open]")) return;
  event.preventDefault();
  const open = openQuestions();
  const here = open.findIndex((question) => question.contains(document.activeElement));
  focusOn(open[(here + 1) % open.length]);
});

// A button that is gone after its use leaves the focus to its question.
let answered = "";
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id === "columns") answered = document.activeElement?.closest(".question")?.id;
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "columns") return;
  say(event.target.dataset.said);
  const question = answered && document.getElementById(answered);
  if (question && document.activeElement === document.body) focusOn(question);
});

// The server has to know which control was changed, because others follow from it. What a button applies goes on with the
// request that replaces its own, such as that of a field which is changed before the answer comes.
let applying = [];
document.addEventListener("htmx:configRequest", (event) => {
  const { elt, formData, headers, target, triggeringEvent } = event.detail;
  if (target.id !== "columns") return;
  if (elt.id === "columns" && triggeringEvent?.target.name) headers["HX-Trigger-Name"] = triggeringEvent.target.name;
  for (const { name, value } of applying) formData.append(name, value);
  if (elt.type === "submit") applying.push(elt);
});
for (const answer of ["htmx:beforeSwap", "htmx:sendError", "htmx:timeout"])
  document.addEventListener(answer, (event) => {
    if (event.detail.target.id === "columns") applying = [];
  });

// On a refused page the first open question has the focus.
if (document.querySelector("#columns [role=alert]")) {
  const [first] = openQuestions();
  if (first) focusOn(first);
}
