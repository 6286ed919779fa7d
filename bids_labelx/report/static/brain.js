// The brain in panels: slices of a volume, or views of surfaces. Adds to `labelx`:
//
//   brain(box, options)   appends the panels to an element. Options:
//     panels              as in the data script of an atlas, their arrays unpacked
//     lost                Uint8Array, 1 for each region that is hatched as missing
//     tip(region), select(region), clear()      regions are positions in the list of regions
//   It returns {paint, mark}:
//     paint(colour, opacity)   colour(region) → [red, green, blue], over the background
//     mark(region, centre)     outlines a region and marks its centre ([x, y, z] in mm) in the
//                              nearest slices; null removes both
(() => {
  "use strict";
  const { element } = labelx;
  const BARE = 0.4; // How bright a surface without a region is: less than what has no value.

  /** Position of a centre in a panel as [row, column], fractions of cells. */
  function placeIn({ plane, regions }, centre) {
    const [across, up] = [[1, 2], [0, 2], [0, 1]][plane.axis];
    const [rows, columns] = regions.shape;
    return [
      ((centre[up] - plane.top) / (plane.bottom - plane.top)) * rows,
      ((centre[across] - plane.left) / (plane.right - plane.left)) * columns,
    ];
  }

  /** Of each axis the panel that is nearest to a centre. */
  function nearest(panels, centre) {
    const best = new Map();
    for (const panel of panels.filter(({ plane }) => plane)) {
      const { axis, at } = panel.plane;
      const far = Math.abs(centre[axis] - at);
      if (!(far >= best.get(axis)?.far)) best.set(axis, { far, panel });
    }
    return [...best.values()].map(({ panel }) => panel);
  }

  function pixelsOf({ regions, background, plane }, colour, opacity) {
    const pixels = new Uint8ClampedArray(4 * regions.values.length);
    regions.values.forEach((region, i) => {
      const grey = background?.values[i] ?? 0;
      const own = region ? colour(region - 1) : null;
      for (let k = 0; k < 3; k += 1) {
        // On a surface the background is its shading.
        const behind = own && background && !plane ? (own[k] * grey) / 255 : grey;
        pixels[4 * i + k] = own ? opacity * own[k] + (1 - opacity) * behind : plane ? grey : BARE * grey;
      }
      pixels[4 * i + 3] = plane || region || grey ? 255 : 0;
    });
    return pixels;
  }

  labelx.brain = (box, { panels, lost, tip, select, clear }) => {
    const lines = new Map();
    const drawn = panels.map((panel) => {
      const [rows, columns] = panel.regions.shape;
      const { plane } = panel;
      const ratio = plane
        ? Math.abs((plane.right - plane.left) / (plane.bottom - plane.top)) : columns / rows;
      const regionAt = (row, column) => panel.regions.values[row * columns + column] - 1;
      const frame = element("figure", { className: "panel" });
      const heat = labelx.heat(frame, {
        rows,
        columns,
        ratio,
        label: `Brain, ${panel.title}`,
        tip: (row, column) => {
          const region = regionAt(row, column);
          return region < 0 ? "" : tip(region);
        },
        group: regionAt,
        select: (row, column) => select?.(regionAt(row, column)),
        clear,
      });
      const marks = panel.marks.map((text) => element("span", {}, text));
      frame.append(
        element("div", { className: "sides", ariaHidden: "true" }, ...marks),
        element("figcaption", {}, panel.title));
      if (!lines.has(panel.row)) lines.set(panel.row, element("div", { className: "panels" }));
      lines.get(panel.row).append(frame);
      const hatch = Uint8Array.from(panel.regions.values, (one) => (one ? lost[one - 1] : 0));
      return { panel, heat, hatch };
    });
    for (const line of lines.values()) line.style.setProperty("--count", line.children.length);
    box.append(...lines.values());

    return {
      paint: (colour, opacity = 1) => {
        for (const { panel, heat, hatch } of drawn) {
          heat.paint({ pixels: pixelsOf(panel, colour, opacity), hatch });
        }
      },
      mark: (region, centre) => {
        const close = region === null || !centre ? [] : nearest(panels, centre);
        for (const { panel, heat } of drawn) {
          const cells = region === null
            ? null : Uint8Array.from(panel.regions.values, (one) => one === region + 1);
          heat.mark({ cells, point: close.includes(panel) ? placeIn(panel, centre) : null });
        }
      },
    };
  };
})();
