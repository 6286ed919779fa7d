// The report of a masker: its regions in the brain, chosen there or in the table.
(() => {
  "use strict";
  const { element } = labelx;
  const contents = document.getElementById("contents");
  if (!contents) return;
  const table = document.querySelector("#regions table");
  // Before `tables.js` takes them from the page.
  const rows = [...table.tBodies[0].rows];
  const headers = Array.from(table.tHead.rows[0].cells, (one) => one.textContent.trim());
  const nameColumn = headers.indexOf("name");
  let chosen = null;

  /** A region's row in words, its name first. */
  function textOf(region) {
    const cells = Array.from(rows[region].cells, (one) => one.textContent.trim());
    const others = headers.map((header, i) => (i === nameColumn || !cells[i] ? "" : `${header}: ${cells[i]}`));
    return [cells[nameColumn], ...others.filter(Boolean)].join("\n");
  }

  async function draw() {
    const { panels, lost, centres, colours, networks, note } = await labelx.whole(JSON.parse(contents.textContent));
    const rgb = colours.map(labelx.rgb);
    const brain = labelx.brain(document.getElementById("brain"), {
      panels, lost, tip: textOf, select: choose, clear: () => choose(null),
    });
    brain.paint((region) => rgb[region], panels.some(({ background }) => background) ? 0.75 : 1);
    const legend = element("div", { className: "legend" }, ...(networks ?? []).map(([name, colour]) =>
      element("span", {}, element("i", { style: `background:${colour}` }), name)), note);
    document.getElementById("brain").append(legend);

    function choose(region) {
      rows[chosen]?.removeAttribute("aria-selected");
      chosen = region === chosen ? null : region;
      brain.mark(chosen, centres[chosen] ?? null);
      if (chosen === null) return;
      rows[chosen].setAttribute("aria-selected", "true");
      labelx.served.get(table).reveal(chosen);
    }

    table.tBodies[0].classList.add("choice");
    rows.forEach((row, region) => {
      // A button, for the keyboard.
      const button = element("button", { type: "button", className: "link" });
      button.append(...row.cells[nameColumn].childNodes);
      row.cells[nameColumn].append(button);
      row.addEventListener("click", () => choose(region));
      row.addEventListener("keydown", (event) => event.key === "Escape" && choose(null));
    });
  }

  draw();
})();
