(() => {
"use strict";
// A link into a folded part opens it; paper shows what is folded, but for raw settings and further maps.
function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  let folded = false;
  for (let element = target; element; element = element.parentElement)
    if (element.matches("details:not([open])")) folded = element.open = true;
  if (folded) target.scrollIntoView();
}
addEventListener("hashchange", unfold);
unfold();

let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open], .raw, .raw *, .map)")];
  opened.forEach((element) => (element.open = true));
});
addEventListener("afterprint", () => opened.forEach((element) => (element.open = false)));
})();
