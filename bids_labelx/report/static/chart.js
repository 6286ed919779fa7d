// Charts with axes: drawn by Plot, under a picture of cells that has the pointer, the keyboard, the
// zoom and the marks. Adds to `labelx`:
//
//   chart(box, options)   appends a chart whose x axis is cut into cells. Options:
//     columns             number of cells; cell i reaches from i to i + 1 on the x axis
//     height, label       in pixels; for screen readers
//     marks(range)        marks of Plot for the cells in view, or false; without it there is the
//                         axis below alone, which is no picture
//     y                   scale of Plot
//     ticks(range, width) optional: [[x, text], …] below; a text may have two lines
//     xLabel              optional, below the ticks
//     tip(column), select(column), clear, zoom   as of `heat`
//   It returns {mark, view}: mark([columns…]), view([from, to]).
//   The left margin is the CSS length --gutter, the right one RIGHT: pictures of cells below a
//   chart line up with it where their left edge is as wide.
(() => {
  "use strict";
  const { element } = labelx;
  const RIGHT = 8;
  const TOP = 18;

  labelx.chart = (box, options) => {
    const { columns, height, ticks, xLabel } = options;
    const bottom = ticks ? 34 + (xLabel ? 16 : 0) : 6;
    const top = options.marks ? TOP : 4;
    const under = element("div", { ariaHidden: "true" });
    const over = element("div", { className: "over" });
    const holder = element("div", { className: "chart" }, under, over);
    holder.style.height = `${height}px`;
    over.style.top = `${top}px`;
    box.append(holder);
    let range = [0, columns];

    function draw() {
      const width = holder.clientWidth;
      if (!width) return;
      const gutter = parseFloat(getComputedStyle(holder).getPropertyValue("--gutter"));
      const below = ticks?.(range, width - gutter) ?? [];
      const texts = new Map(below);
      under.replaceChildren(Plot.plot({
        width,
        height,
        marginLeft: gutter,
        marginRight: RIGHT,
        marginTop: top,
        marginBottom: bottom,
        style: { fontSize: "12px", overflow: "visible" },
        x: { domain: range, axis: null },
        y: { labelAnchor: "top", labelArrow: "none", ...options.y },
        marks: [
          ...(options.marks?.(range) ?? []),
          ticks && Plot.axisX(below.map(([x]) => x), {
            tickFormat: (x) => texts.get(x), label: xLabel ?? null, labelAnchor: "center", labelArrow: "none",
          }),
          options.marks && Plot.ruleX([range[0]], { strokeWidth: 1 }),
        ].filter(Boolean),
      }));
    }

    const cells = options.marks && labelx.heat(over, {
      rows: 1,
      columns,
      height: height - top - bottom,
      label: options.label,
      tip: (_, column) => options.tip(column),
      select: options.select && ((_, column) => options.select(column)),
      clear: options.clear,
      zoom: options.zoom,
    });
    new ResizeObserver(draw).observe(holder);
    return {
      mark: (wanted) => cells.mark({ columns: wanted }),
      view: (wanted) => {
        range = wanted;
        cells?.view(range);
        draw();
      },
    };
  };
})();
