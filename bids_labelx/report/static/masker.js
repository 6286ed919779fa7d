// The report of a masker: its regions in the brain, chosen there or in the table.
(() => {
  "use strict";
  const { element } = labelx;

  async function draw(contents) {
    const { panels, lost, centres, colours, networks, note } = await labelx.whole(JSON.parse(contents));
    const table = document.querySelector("#regions table");
    const { rows, reveal } = labelx.served.get(table);
    const headers = Array.from(table.tHead.rows[0].cells, (one) => one.textContent.replace("↕", "").trim());
    const name = headers.indexOf("name");
    // A region in words: its row, its name first.
    const texts = rows.map(({ cells }) => {
      const words = Array.from(cells, (one) => one.textContent.trim());
      const others = headers.map((header, i) => `${header}: ${words[i]}`);
      return [words[name], ...others.filter((_, i) => i !== name && words[i])].join("\n");
    });
    const box = document.getElementById("brain");
    box.replaceChildren();
    const brain = labelx.brain(box, {
      panels, lost, tip: (region) => texts[region], select: choose, clear: () => choose(null),
    });
    const rgb = colours.map(labelx.rgb);
    brain.paint((region) => rgb[region], panels.some(({ background }) => background) ? 0.75 : 1);
    box.append(element("div", { className: "legend" }, ...(networks ?? []).map(([text, colour]) =>
      element("span", {}, element("i", { style: `background:${colour}` }), text)), note));

    let chosen = null;
    function choose(region) {
      rows[chosen]?.removeAttribute("aria-selected");
      chosen = region === chosen ? null : region;
      brain.mark(chosen, centres[chosen] ?? null);
      if (chosen === null) return;
      rows[chosen].setAttribute("aria-selected", "true");
      reveal(chosen);
    }
    table.tBodies[0].classList.add("choice");
    rows.forEach((row, region) => {
      // A button, for the keyboard.
      const button = element("button", { type: "button", className: "link" });
      button.append(...row.cells[name].childNodes);
      row.cells[name].append(button);
      row.addEventListener("click", () => choose(region));
      row.addEventListener("keydown", (event) => event.key === "Escape" && choose(null));
    });
  }

  const contents = document.getElementById("contents");
  if (contents) draw(contents.textContent);
})();
