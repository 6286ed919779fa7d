// Pictures of group models on the group's page. Adds to `labelx`:
//
//   modelPictures(parts)   {glass, design, permutations}, functions that draw one picture; `parts`
//                          are {grid, panel, plot, legend, two} of the group's page
(() => {
  "use strict";
  const { element } = labelx;
  const VIEWS = [["left and right", 1, 2, "front →"], ["from behind", 0, 2, "right →"], ["from above", 0, 1, "right →"]];
  const AROUND = 14; // mm, from the centroids of the outer regions to the outside of the brain.

  /** The hull of points, and `AROUND` further out. */
  function outline(points) {
    const hull = d3.polygonHull(points);
    if (!hull) return [];
    const [x, y] = d3.polygonCentroid(hull);
    const out = hull.map(([a, b]) => {
      const far = Math.hypot(a - x, b - y) || 1;
      return [a + (AROUND * (a - x)) / far, b + (AROUND * (b - y)) / far];
    });
    return [...out, out[0]];
  }

  labelx.modelPictures = ({ grid, panel, plot, legend, two }) => {
    /** Edges between the centroids of regions, seen through the brain from three sides. */
    function glass(box, { names, points, limit, measure, strategies }) {
      const table = labelx.colours.RdBu_r;
      labelx.colourBar(box, { table, limits: [-limit, limit], label: measure });
      const dots = points.flatMap((point, i) => (point ? [{ point, i }] : []));
      const reach = (axis) => d3.extent(dots, ({ point }) => point[axis]);
      const half = d3.max([0, 1, 2], (axis) => (reach(axis)[1] - reach(axis)[0]) / 2) + 2 * AROUND;
      for (const { strategy, note, edges } of strategies) {
        const heading = strategies.length > 1 ? `${strategy}: ` : "";
        box.append(element("p", { className: "title" }, `${heading}${note}`));
        if (!edges.length) continue;
        const place = grid(box, "glass");
        const ends = new Set(edges.flatMap(([i, j]) => [i, j]));
        for (const [title, across, up, label] of VIEWS) {
          const hull = outline(dots.map(({ point }) => [point[across], point[up]]));
          const middle = d3.mean(reach(across));
          const [low, high] = reach(up);
          const lines = edges.map(([i, j, t, p]) => ({
            x1: points[i][across], y1: points[i][up], x2: points[j][across], y2: points[j][up], t,
            stroke: `rgb(${labelx.colourOf(table, [-limit, limit], t)})`,
            title: `${names[i]} – ${names[j]}\n${measure} ${two(t)}, ${p}`,
          }));
          panel(place, title, "", (width) => plot(width, {
            // All three on one scale, in mm.
            height: undefined, aspectRatio: 1, marginLeft: 8, marginRight: 8, marginBottom: 20,
            r: { type: "identity" },
            x: { axis: null, domain: [middle - half, middle + half] },
            y: { axis: null, domain: [low - 2 * AROUND, high + 2 * AROUND] },
          }, [
            Plot.line(hull, { fill: "#8a949e", fillOpacity: 0.18, stroke: "#8a949e", strokeOpacity: 0.5, strokeWidth: 1, curve: "catmull-rom-closed" }),
            Plot.dot(dots, { x: ({ point }) => point[across], y: ({ point }) => point[up], r: ({ i }) => (ends.has(i) ? 3.5 : 1.5), fill: ({ i }) => (ends.has(i) ? "currentColor" : "#8a949e") }),
            Plot.link(lines, { x1: "x1", y1: "y1", x2: "x2", y2: "y2", stroke: "currentColor", strokeOpacity: 0.35, strokeWidth: 3 }),
            Plot.link(lines, { x1: "x1", y1: "y1", x2: "x2", y2: "y2", stroke: "stroke", strokeWidth: 2, title: "title", tip: true }),
            Plot.text([label], { frameAnchor: "bottom-right", text: (d) => d, dy: 12 }),
          ]));
        }
      }
    }

    /** Rows and columns of a model, each column on a scale of its own. */
    function design(box, { columns, rows, values }) {
      const scaled = columns.map((_, k) => {
        const [low, high] = d3.extent(values, (row) => row[k]);
        return (value) => (high > low ? (value - low) / (high - low) : 0.5);
      });
      labelx.colourBar(box, {
        table: labelx.colours.cividis, limits: [0, 1], label: "each column from its lowest to its highest value",
      });
      const place = grid(box, "whole");
      const heat = labelx.heat(place, {
        rows: rows.length, columns: columns.length, height: Math.min(420, Math.max(120, 14 * rows.length)),
        left: rows.map((name, i) => [i, 1, name]), below: columns.map((name, k) => [k, 1, name]),
        leftWidth: "min(8rem, 25vw)", label: "Design matrix",
        tip: (row, column) => `${rows[row]}\n${columns[column]}: ${+values[row][column].toPrecision(4)}`,
      });
      const cells = Float32Array.from(values.flatMap((row) => row.map((value, k) => scaled[k](value))));
      heat.paint({ values: cells, table: labelx.colours.cividis, limits: [0, 1] });
    }

    /** The largest |t| and the largest component of each permutation, and those of the data. */
    function permutations(box, { strategies }) {
      legend(box, [["permutations", "#8a949e"], ["5 % of them are higher", "#0072b2"], ["the data", labelx.vermillion]]);
      const place = grid(box);
      for (const { strategy, label, counts, edges, observed, critical } of strategies) {
        const bars = counts.map((y, i) => ({ x1: edges[i], x2: edges[i + 1], y, title: `${y} permutations\n${+edges[i].toPrecision(3)} to ${+edges[i + 1].toPrecision(3)}` }));
        panel(place, strategy, `${label}: data ${+observed.toPrecision(3)}, 5 % beyond ${+critical.toPrecision(3)}`, (width) => plot(width, {
          x: { domain: [edges[0], edges[edges.length - 1]], label },
          y: { label: "permutations" },
        }, [
          Plot.rect(bars, { x1: "x1", x2: "x2", y1: 0, y2: "y", fill: "#8a949e", insetRight: 0.5, title: "title", tip: true }),
          Plot.ruleX([critical], { stroke: "#0072b2", strokeWidth: 1.5, strokeDasharray: "5 3" }),
          Plot.ruleX([observed], { stroke: labelx.vermillion, strokeWidth: 2 }),
          Plot.ruleY([0]),
        ]));
      }
    }

    return { glass, design, permutations };
  };
})();
