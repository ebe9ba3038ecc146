// Groups of rows that are out of sight get the class is-far, with which styles make fewer layers of them: the browser
// looks at every layer of the page for what the pointer is on, and 500 rows are two thousand.

const seen = new IntersectionObserver(
  (groups) => {
    for (const { target, isIntersecting } of groups) target.classList.toggle("is-far", !isIntersecting);
  },
  { rootMargin: "300px" },
);

const observe = () => {
  seen.disconnect();
  for (const group of document.querySelectorAll(".list-table > tbody")) seen.observe(group);
};

observe();
document.addEventListener("table:replaced", observe);
