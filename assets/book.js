/* What the theme leaves out: wide content that a keyboard can reach, and a search that shows prose. */
"use strict";

// A box that scrolls is a stop of the keyboard, as long as there is something to scroll.
function markScrollable() {
  for (const box of document.querySelectorAll(".bd-article :is(table, mjx-container[display], .lif-sheet > :first-child)")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

// An equation a little wider than the column is set a little smaller; one much wider keeps its size and scrolls.
function fitEquations() {
  for (const box of document.querySelectorAll(".bd-article mjx-container[display]")) {
    box.style.fontSize = "";
    const share = box.clientWidth / box.scrollWidth;
    if (share < 1 && share > 0.8) box.style.fontSize = `${Math.floor(0.98 * share * 100)}%`;
  }
}

function fit() {
  fitEquations();
  markScrollable();
  document.documentElement.dataset.fitted = "";
}

window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  fit();
  let waiting;
  const observer = new ResizeObserver(() => {
    clearTimeout(waiting);
    waiting = setTimeout(fit, 100);
  });
  observer.observe(document.querySelector(".bd-article"));
  document.addEventListener("change", markScrollable);
});

// A search result shows what a page says, not its buttons, its table of contents or code that is folded away.
if (typeof Search !== "undefined") {
  const { htmlToText } = Search;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    const beside = ".bd-header-article, #jb-print-docs-body, details.hide, .bd-sidebar-secondary, footer";
    for (const element of page.querySelectorAll(beside)) element.remove();
    return htmlToText(page.documentElement.outerHTML, anchor);
  };
}

// A link to a place on this page closes the list it stands in, which would hide that place.
for (const dialog of document.querySelectorAll("dialog"))
  dialog.addEventListener("click", (event) => {
    if (event.target.closest("a[href^='#']")) dialog.close();
  });
