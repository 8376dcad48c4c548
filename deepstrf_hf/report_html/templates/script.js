"use strict";
// Filters and sorting; all else works without this script.
(() => {
  const counted = (input, shown, all) => {
    const noun = all === 1 ? input.dataset.one : input.dataset.several;
    return shown === all ? `${all.toLocaleString("en")} ${noun}`
      : `${shown.toLocaleString("en")} of ${all.toLocaleString("en")} ${noun}`;
  };

  for (const input of document.querySelectorAll("input[data-filters]")) {
    const list = document.getElementById(input.dataset.filters);
    const output = input.parentElement.querySelector("output");
    const texts = new Map(); // read once: thousands of rows are filtered at every key
    const filter = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const entry of list.children) {
        if (!texts.has(entry)) texts.set(entry, entry.textContent.toLowerCase());
        const text = texts.get(entry);
        const fits = words.every((word) => text.includes(word));
        entry.hidden = !fits;
        shown += fits;
      }
      output.textContent = counted(input, shown, list.children.length);
    };
    input.addEventListener("input", filter);
    input.closest(".tools").hidden = false;
    filter(); // the browser may have kept what was typed
  }

  const number = (text) => (text === "" ? null : Number(text));
  const natural = new Intl.Collator("en", { numeric: true }).compare;

  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    const said = table.closest("section").querySelector(".said");
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      const numeric = heading.classList.contains("number");
      button.addEventListener("click", () => {
        const direction = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        const sign = direction === "ascending" ? 1 : -1;
        const keyed = [...body.rows].map((row) => {
          const text = row.cells[column].textContent;
          return [numeric ? number(text) : text || null, row];
        });
        keyed.sort(([one], [other]) => {
          if (one === null || other === null) return (one === null) - (other === null); // absent ones stay last
          return sign * (numeric ? one - other : natural(one, other));
        });
        body.append(...keyed.map(([, row]) => row));
        for (const other of headings) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", direction);
        said.textContent = `Sorted by ${button.textContent}, ${direction}.`;
      });
    });
  }

  document.addEventListener("play", (event) => {
    for (const player of document.querySelectorAll("audio")) if (player !== event.target) player.pause();
  }, true);
})();
