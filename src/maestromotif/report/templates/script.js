"use strict";
// Comfort only: without scripts every word and figure of the page is still there.
(() => {
  const value = (cell) => {
    const text = cell ? (cell.dataset.value ?? cell.textContent.trim()) : "";
    const number = Number(text);
    return text !== "" && Number.isFinite(number) ? number : text.toLowerCase();
  };
  const compare = (one, other) => {
    if (one === other) return 0;
    if (one === "") return 1;  // what is not known goes last, whichever way
    if (other === "") return -1;
    if (typeof one === "number" && typeof other === "number") return one - other;
    return String(one).localeCompare(String(other));
  };
  const sort = (table, column, head, heads) => {
    const falling = head.getAttribute("aria-sort") !== "descending";
    // A group of rows that belong together has a body of its own, and moves as one.
    const bodies = [...table.tBodies];
    const units = bodies.length > 1 ? bodies : [...bodies[0].rows];
    const home = bodies.length > 1 ? table : bodies[0];
    const key = new Map(units.map((unit) => [unit, value((unit.rows ? unit.rows[0] : unit).cells[column])]));
    units.sort((one, other) => {
      const [a, b] = [key.get(one), key.get(other)];
      return a === "" || b === "" ? compare(a, b) : falling ? compare(b, a) : compare(a, b);
    });
    home.append(...units);
    heads.forEach((one) => one.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  };
  document.querySelectorAll("table.sortable").forEach((table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table, column, head, heads));
    });
  });

  // A link into something folded opens it.
  const unfold = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    for (let place = target; place; place = place.parentElement) if (place.tagName === "DETAILS") place.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();

  const all = document.getElementById("unfold");
  if (all) {
    all.hidden = false;
    all.addEventListener("click", () => {
      const open = all.getAttribute("aria-pressed") !== "true";
      document.querySelectorAll("main details").forEach((one) => { one.open = open; });
      all.setAttribute("aria-pressed", String(open));
    });
  }
})();
