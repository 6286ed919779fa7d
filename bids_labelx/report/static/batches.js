// How batches differ, before and after harmonisation.
//
//   batchPicture(parts)    a function that draws it; `parts` are those of group.js
(() => {
  "use strict";
  const { element } = labelx;
  const [BLUE, ORANGE, PALE] = [labelx.palette[4], labelx.palette[0], "#8a949e"];

  labelx.batchPicture = ({ grid, panel, plot, fitted, legend, two }) => function batches(box, { strategies }) {
    const colours = [["before", ORANGE], ["after", BLUE], ["by chance", PALE]];
    legend(box, colours);
    const place = grid(box);
    const top = d3.max(strategies.flatMap((one) => [...one.before, ...one.chance])) || 1;
    for (const one of strategies) {
      const share = (i) => (100 * i) / (one.before.length - 1);
      const line = (kind) => one[kind].map((y, i) => ({ x: share(i), y }));
      const told = one.before.map((y, i) => ({ x: share(i), y, title: `${share(i).toFixed(0)} % of the edges have at most\nbefore ${y.toFixed(1)} %\nafter ${one.after[i].toFixed(1)} %\nby chance ${one.chance[i].toFixed(1)} %` }));
      const made = panel(place, one.strategy, `${one.edges.toLocaleString("en")} edges`, (width) => plot(width, {
        x: { domain: [0, 100], label: "edges, sorted (%)" },
        y: { domain: [0, 1.04 * top], label: "variance between batches (%)" },
      }, [
        Plot.ruleY([0]),
        Plot.lineY(line("chance"), { x: "x", y: "y", stroke: PALE, strokeDasharray: "5 3", strokeWidth: 1.5 }),
        Plot.lineY(line("before"), { x: "x", y: "y", stroke: ORANGE, strokeWidth: 2 }),
        Plot.lineY(line("after"), { x: "x", y: "y", stroke: BLUE, strokeWidth: 2 }),
        Plot.tip(told, Plot.pointerX({ x: "x", y: "y", title: "title" })),
      ]));
      const rows = one.batches.map(([name, n, before, after], i) => ({ i, name, n, before, after, title: `${name}: ${n} participants\nmean Fisher z ${two(before ?? undefined)} before, ${two(after ?? undefined)} after` })).filter(({ before, after }) => before !== null && after !== null);
      const ends = d3.extent(rows.flatMap(({ before, after }) => [before, after]));
      // At least 0.1 wide: what differs less looks alike.
      const room = Math.max(0.1 * (ends[1] - ends[0]), 0.05 - (ends[1] - ends[0]) / 2);
      const means = element("div", { className: "plot" });
      made.append(element("p", { className: "quiet" }, "mean of all edges, by batch"), means);
      fitted(means, (width) => plot(width, {
        height: 40 * one.batches.length + 46,
        marginLeft: 8,
        x: { domain: [ends[0] - room, ends[1] + room], label: "mean Fisher z", ticks: 4 },
        y: { domain: d3.range(one.batches.length), axis: null, type: "band", padding: 0 },
      }, [
        Plot.text(rows, { y: "i", frameAnchor: "left", textAnchor: "start", dy: -10, text: (d) => `${d.name} (${d.n.toLocaleString("en")})` }),
        Plot.ruleY(rows, { y: "i", x1: "before", x2: "after", dy: 7, stroke: PALE }),
        Plot.dot(rows, { y: "i", x: "before", dy: 7, r: 4, fill: ORANGE, title: "title", tip: true }),
        Plot.dot(rows, { y: "i", x: "after", dy: 7, r: 4, fill: BLUE, title: "title", tip: true }),
      ]));
    }
  };
})();
