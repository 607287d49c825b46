"use strict";
(() => {
  const table = document.getElementById("classes-table");
  const body = table.tBodies[0];
  const headers = Array.from(table.tHead.rows[0].cells);
  const rows = Array.from(body.rows);
  const tools = document.getElementById("classes-tools");
  const filter = document.getElementById("classes-filter");
  const shown = document.getElementById("classes-shown");
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  const sort = (column) => {
    const header = headers[column];
    const numeric = header.dataset.kind === "number";
    const before = header.getAttribute("aria-sort");
    // Names begin with A, figures with the lowest: the classes that need attention come first.
    const direction = before === "ascending" ? "descending" : "ascending";
    headers.forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const key = (row) => row.cells[column].dataset.value;
    rows.sort((row, other) => {
      const [a, b] = [key(row), key(other)];
      // What is no number stays at the end, whatever the direction.
      if (a === "" || b === "") return (a === "") - (b === "");
      return sign * (numeric ? Number(a) - Number(b) : collator.compare(a, b));
    });
    body.append(...rows);
  };

  const narrow = () => {
    const wanted = filter.value.trim().toLocaleLowerCase();
    let count = 0;
    for (const row of rows) {
      const matches = row.dataset.search.toLocaleLowerCase().includes(wanted);
      row.hidden = !matches;
      count += matches;
    }
    shown.textContent = wanted ? `${count} of ${rows.length} classes` : "";
  };

  headers.forEach((header, column) => {
    const button = header.querySelector("button");
    if (button) button.addEventListener("click", () => sort(column));
  });
  filter.addEventListener("input", narrow);
  filter.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      filter.value = "";
      narrow();
    }
  });
  tools.hidden = false;
  document.documentElement.dataset.ready = "yes";
})();
