// The group's page: its tables and pictures, drawn from the data in the page and beside it when
// they are looked at.
(() => {
  "use strict";
  const { element } = labelx;
  const holder = document.getElementById("group-contents");
  if (!holder) return;
  const [BLUE, ORANGE] = [labelx.palette[4], labelx.palette[0]];
  const PALE = "#8a949e";
  const MOST_DOTS = 2000; // More overlap: those in the middle are left to the bars.
  const two = (value) => (value === undefined ? "n/a" : labelx.number(value, 0.01).replace("-", "−"));
  const four = (value) => String(+value.toPrecision(4));

  /** Calls draw(width) whenever the width of a box changes, and shows what it gives. */
  function fitted(box, draw) {
    let width = 0;
    new ResizeObserver(() => {
      if (!box.clientWidth || box.clientWidth === width) return;
      width = box.clientWidth;
      box.replaceChildren(draw(width));
      // A thousand dots are no stops of the tab key: the table has the same links.
      box.querySelectorAll("svg a").forEach((link) => link.setAttribute("tabindex", -1));
    }).observe(box);
  }

  const grid = (box, className = "") => {
    const made = element("div", { className: `plots ${className}` });
    box.append(made);
    return made;
  };

  function panel(place, title, note, draw) {
    const box = element("div", { className: "plot" });
    const made = element("div", { className: "plotted" });
    if (title) made.append(element("p", { className: "title" }, title));
    if (note) made.append(element("p", { className: "quiet" }, note));
    made.append(box);
    place.append(made);
    if (draw) fitted(box, draw);
    return made;
  }

  const plot = (width, options, marks) => Plot.plot({
    width, height: 210, marginLeft: 46, marginBottom: 40, style: { fontSize: "12px" }, ...options,
    marks: marks.filter(Boolean),
  });
  const dashed = { strokeDasharray: "5 3", strokeWidth: 1.5 };
  const legend = (box, entries) => box.append(Plot.legend({
    color: { type: "ordinal", domain: entries.map(([name]) => name), range: entries.map(([, c]) => c) },
  }));

  // ---- Distributions over runs ----

  function distributions(box, { measure, limit, step, edges, panels }, runs) {
    const top = d3.max(panels, ({ counts: [a, b] }) => d3.max(a, (n, i) => n + b[i]));
    const number = (value) => labelx.number(value, step);
    const kinds = ["included", "excluded"];
    const entries = [["included", BLUE]];
    if (panels.some(({ excluded }) => excluded.some(Boolean))) entries.push(["excluded", ORANGE]);
    legend(box, entries);
    const place = grid(box);
    for (const { title, counts, values, rows, excluded } of panels) {
      const bars = edges.slice(1).flatMap((x2, i) => kinds.map((kind, k) => ({
        kind, x1: edges[i], x2, y1: k ? counts[0][i] : 0, y2: counts[0][i] + (k ? counts[1][i] : 0),
        title: `${labelx.counted(counts[k][i], "run")} ${kind}\n${number(edges[i])} to ${number(x2)}`,
      }))).filter(({ y1, y2 }) => y2 > y1);
      const middle = d3.median(values);
      const dots = d3.sort(d3.range(values.length), (i) => -Math.abs(values[i] - middle))
        .slice(0, MOST_DOTS).map((i) => ({
          x: values[i],
          // In no order, so that equal values do not hide each other.
          y: -top * (0.1 + 0.3 * ((i * 0.618034) % 1)),
          kind: kinds[excluded[i]],
          href: runs.href(rows[i]),
          title: `${runs.name(rows[i])}\n${measure}: ${number(values[i])}${excluded[i] ? "\nexcluded" : ""}`,
        }));
      const more = values.length - dots.length;
      panel(place, title, more ? `dots: the ${MOST_DOTS} farthest from the median` : "", (width) => plot(width, {
        x: { domain: [edges[0], edges[edges.length - 1]], label: measure },
        y: { domain: [-0.45 * top, top], label: "runs" },
        color: { domain: kinds, range: [BLUE, ORANGE] },
      }, [
        Plot.axisY({ ticks: d3.ticks(0, top, 3).filter(Number.isInteger), tickFormat: "d" }),
        Plot.rect(bars, { x1: "x1", x2: "x2", y1: "y1", y2: "y2", fill: "kind", insetRight: 0.5, title: "title", tip: true }),
        Plot.ruleY([0]),
        Plot.dot(dots, { x: "x", y: "y", r: 2.5, fill: "kind", fillOpacity: 0.85, href: "href", title: "title", tip: true }),
        limit !== null && Plot.ruleX([limit], dashed),
      ]));
    }
  }

  // ---- Strategies ----

  function qcfc(box, { moved, strategies }) {
    const shares = strategies.map(({ counts }) => {
      const sum = d3.sum(counts);
      return counts.map((n) => (sum ? (100 * n) / sum : 0));
    });
    const top = 1.05 * (d3.max(shares.flat()) || 1);
    legend(box, [["edges", BLUE], ["± median |r|", labelx.vermillion], ["half of the edges if unrelated", "#b9c0c7"]]);
    const place = grid(box);
    strategies.forEach(({ strategy, counts, median_abs_qcfc: median, chance }, k) => {
      const edge = (i) => -1 + (2 * i) / counts.length;
      const bars = shares[k].map((y, i) => ({ x1: edge(i), x2: edge(i + 1), y, title: `r ${two(edge(i))} to ${two(edge(i + 1))}\n${counts[i]} edges (${y.toFixed(1)} %)` }));
      const note = chance === null ? "no QC-FC" : `median |r| ${two(median)}, ${d3.sum(counts).toLocaleString("en")} edges`;
      panel(place, strategy, note, (width) => plot(width, {
        x: { domain: [-1, 1], label: `QC-FC: r of an edge and ${moved}` },
        y: { domain: [0, top], label: "% of edges" },
      }, [
        chance !== null && Plot.rect([0], { x1: -chance, x2: chance, y1: 0, y2: top, fill: PALE, fillOpacity: 0.35 }),
        Plot.rect(bars, { x1: "x1", x2: "x2", y1: 0, y2: "y", fill: BLUE, title: "title", tip: true }),
        chance !== null && Plot.ruleX([-median, median], { ...dashed, stroke: labelx.vermillion }),
        Plot.ruleY([0]),
      ]));
    });
  }

  function distance(box, { strategies }) {
    const farthest = 1.04 * (d3.max(strategies.flatMap((one) => [...one.distance, ...one.points.map(([mm]) => mm)])) || 1);
    legend(box, [["median of a bin, quartiles", BLUE], ["edges", PALE]]);
    const place = grid(box);
    for (const { strategy, points, distance: mm, quartiles: [low, middle, high], distance_dependence: rho } of strategies) {
      const bins = mm.map((x, i) => ({ x, low: low[i], middle: middle[i], high: high[i] }));
      panel(place, strategy, `rho ${two(rho)}`, (width) => plot(width, {
        x: { domain: [0, farthest], label: "distance between the regions' centroids (mm)" },
        y: { domain: [-1.04, 1.04], label: "QC-FC (r)" },
      }, [
        Plot.ruleY([0]),
        Plot.dot(points, { x: "0", y: "1", r: 1.5, fill: PALE }),
        Plot.areaY(bins, { x: "x", y1: "low", y2: "high", fill: BLUE, fillOpacity: 0.3 }),
        Plot.lineY(bins, { x: "x", y: "middle", stroke: BLUE }),
        Plot.dot(bins, { x: "x", y: "middle", r: 3, fill: BLUE, tip: true, title: (d) => `${labelx.number(d.x, 0.1)} mm\nmedian ${two(d.middle)}, quartiles ${two(d.low)} and ${two(d.high)}` }),
      ]));
    }
  }

  function cost(box, { strategies }) {
    const place = grid(box);
    const columns = [
      ["loss of degrees of freedom (mean, range)", ({ lost }) => lost[1], four],
      ["modularity, positive edges", ({ modularity }) => modularity, two],
      ["signed modularity", ({ signed_modularity: value }) => value, two],
    ].filter(([, value]) => strategies.some((one) => value(one) !== undefined));
    // Both modularities on one scale: one beside the other shows what negative edges make of it.
    const ends = d3.extent([0, ...columns.slice(1).flatMap(([, value]) => strategies.map(value))]);
    const spread = (low, high) => [low - 0.12 * (low < 0) * (high - low), high + 0.25 * (high - low || 1)];
    const most = d3.max(strategies, ({ lost }) => lost[2]) || 1;
    columns.forEach(([label, value, words], k) => panel(place, label, "", (width) => plot(width, {
      height: 44 * strategies.length + 40,
      marginLeft: 8,
      x: { domain: k ? spread(...ends) : spread(0, most), label: null },
      y: { domain: d3.range(strategies.length), axis: null, type: "band", padding: 0 },
    }, [
      Plot.barX(strategies, { x: value, y: (_, i) => i, insetTop: 20, insetBottom: 6, fill: BLUE }),
      !k && Plot.ruleY(strategies, { x1: (d) => d.lost[0], x2: (d) => d.lost[2], y: (_, i) => i, dy: 7, marker: "tick" }),
      Plot.text(strategies, { y: (_, i) => i, frameAnchor: "left", textAnchor: "start", dy: -12, text: "strategy" }),
      Plot.text(strategies, { x: (d) => Math.max(0, k ? value(d) ?? 0 : d.lost[2]), y: (_, i) => i, dx: 6, dy: 7, textAnchor: "start", text: (d) => (value(d) === undefined ? "n/a" : words(value(d))) }),
      Plot.ruleX([0]),
    ])));
  }

  /** A panel for each measure, a bar for each strategy; lines are quartiles over edges. */
  function ratings(box, { strategies, panels }) {
    const entries = [["median or value", BLUE]];
    if (panels.some(({ chance }) => chance !== null)) entries.push(["by chance", labelx.vermillion]);
    legend(box, entries);
    const place = grid(box);
    for (const { label, note, values, spans, chance, ends: [low, high] } of panels) {
      const rows = values.map((value, i) => ({ i, name: strategies[i], value, span: spans[i] }));
      // A value stands clear of the line of chance.
      const right = ({ value, span }) => {
        const end = Math.max(0, value ?? 0, span ? span[1] : 0);
        return chance !== null && end < chance && end > chance - 0.3 * (high - low) ? chance : end;
      };
      const words = ({ value, span }) => (value === null ? "n/a" : two(value)) + (span ? ` (${two(span[0])} to ${two(span[1])})` : "");
      panel(place, label, note, (width) => plot(width, {
        height: 44 * rows.length + 40,
        marginLeft: 8,
        x: { domain: [low, high + 0.5 * (high - low)], ticks: d3.ticks(low, high, 4), label: null },
        y: { domain: d3.range(rows.length), axis: null, type: "band", padding: 0 },
      }, [
        Plot.barX(rows, { x: "value", y: "i", insetTop: 20, insetBottom: 6, fill: BLUE }),
        chance !== null && Plot.tickX(rows, { x: chance, y: "i", insetTop: 18, insetBottom: 4, stroke: labelx.vermillion, strokeWidth: 2 }),
        Plot.ruleY(rows.filter(({ span }) => span), { x1: (d) => d.span[0], x2: (d) => d.span[1], y: "i", dy: 7, marker: "tick" }),
        Plot.text(rows, { y: "i", frameAnchor: "left", textAnchor: "start", dy: -12, text: "name" }),
        Plot.text(rows, { x: right, y: "i", dx: 6, dy: 7, textAnchor: "start", text: words }),
        Plot.ruleX([0]),
      ]));
    }
  }

  // ---- Mean matrices ----

  async function matrices(box, data) {
    const found = await Promise.all(data.matrices.map(async ({ strategy, src, files }) => {
      const one = await labelx.load(src).catch(() => null);
      const values = one && labelx.square((await labelx.unpack(one.values)).values, one.size);
      const survives = one?.survive && labelx.square((await labelx.unpack(one.survive)).values, one.size);
      return one && { ...one, strategy, files, cells: values, survives };
    }));
    const shown = found.filter(Boolean);
    if (!shown.length) return;
    const { names, networks, order, block, size, limits } = shown[0];
    const label = (row) => {
      const own = order.slice(row * block, (row + 1) * block).map((i) => names[i]);
      return own.length > 1 ? `${own[0]} … ${own[own.length - 1]}` : own[0];
    };
    const value = (one, row, column) => two(one.cells[row * size + column]);
    const network = (row) => networks?.[order[row * block]];
    const starts = networks ? d3.range(1, size).filter((row) => network(row) !== network(row - 1)) : [];
    const blocks = [0, ...starts].map((first, i) => [first, (starts[i] ?? size) - first, network(first) || "no network"]);
    const left = networks ? blocks : size <= 40 && names.map((_, row) => [row, 1, label(row)]);
    const table = labelx.colours.RdBu_r;
    const measure = data.measure;
    const empty = shown.some(({ cells }) => cells.some(Number.isNaN)) ? "no value (n/a)" : "";
    const none = shown[0].survive ? "n/a; above the diagonal, does not survive" : empty;
    labelx.colourBar(box, { table, limits, label: measure, none });
    const place = grid(box, "matrices");
    const listed = element("div", { role: "status", className: "listed" });
    box.append(listed);
    const heats = [];
    const select = (row, column) => {
      heats.forEach((heat) => heat.mark({ rows: [row], columns: [column] }));
      const values_ = shown.map((one) => element("li", {}, `${one.strategy}: ${value(one, row, column)}`));
      listed.replaceChildren(element("p", {}, `${label(row)} – ${label(column)}`), element("ul", {}, ...values_));
    };
    const clear = () => {
      heats.forEach((heat) => heat.mark({}));
      listed.replaceChildren();
    };
    for (const one of shown) {
      const made = panel(place, one.strategy, `${one.n}`);
      const heat = labelx.heat(made, {
        rows: size, columns: size, left: left || undefined, leftWidth: "min(5rem, 18vw)", select, clear,
        label: `${one.strategy}: ${measure} between regions`,
        lines: { rows: starts, columns: starts },
        tip: (row, column) => `${label(row)} – ${label(column)}\n${value(one, row, column)}`,
      });
      const cells = one.cells.map((cell, k) => (one.survives && k % size > k / size && !one.survives[k] ? NaN : cell));
      heat.paint({ values: cells, table, limits });
      heats.push(heat);
      const pairs = d3.range(size).flatMap((i) => Array.from(one.cells.subarray(i * size + i + 1, (i + 1) * size))).filter((z) => !Number.isNaN(z));
      // Of whole steps: else some bars would have a step more than others.
      const wide = Math.ceil((limits[1] * 2) / 40 / 0.01) * 0.01;
      const edges = d3.range(limits[0] - 0.005, limits[1] + wide, wide);
      const counts = d3.bin().domain([edges[0], edges[edges.length - 1]]).thresholds(edges)(
        pairs.map((z) => Math.max(limits[0], Math.min(limits[1], z))));
      const box_ = element("div", { className: "plot" });
      const links = one.files.map((file) => element("a", { href: labelx.url(file) }, file.split(".").pop().toUpperCase()));
      made.append(box_, element("p", {}, "Files: ", ...links.flatMap((link, i) => (i ? [", ", link] : [link]))));
      fitted(box_, (width) => plot(width, { height: 90, x: { domain: [edges[0], edges[edges.length - 1]], label: measure }, y: { label: "pairs", ticks: 2 } }, [
        Plot.rect(counts, { x1: "x0", x2: "x1", y1: 0, y2: "length", fill: PALE }),
        Plot.ruleY([0]),
      ]));
    }
  }

  // ---- Missing labels ----

  async function missing(box, { names, lost, runs, src }) {
    const shares = lost.map((n) => n / runs);
    const table = labelx.colours.YlOrRd;
    const text = (i) => `${names[i]}\nmissing in ${lost[i]} of ${labelx.counted(runs, "run")} (${(100 * shares[i]).toFixed(0)} %)`;
    const rows = shares.map((y, i) => ({ x: i, y, title: text(i), fill: `rgb(${labelx.colourOf(table, [0, 1], y)})` }));
    panel(grid(box, "whole"), "", "", (width) => plot(width, {
      height: 170,
      x: { domain: [-0.5, names.length - 0.5], label: "labels, in the order of their table", ticks: [] },
      y: { domain: [0, 1], label: "share of runs without the label" },
    }, [
      Plot.rect(rows, { x1: (d) => d.x - 0.5, x2: (d) => d.x + 0.5, y1: 0, y2: "y", fill: "fill", stroke: "currentColor", strokeWidth: 0.3, title: "title", tip: true }),
      Plot.ruleY([0]),
    ]));
    const atlas = src && (await labelx.load(src).catch(() => null));
    if (!atlas) return;
    const { panels } = await labelx.whole({ panels: atlas.panels });
    const never = new Uint8Array(names.length);
    const place = element("div", { className: "brain" });
    box.append(place);
    const brain = labelx.brain(place, { panels, lost: never, tip: text, select: (i) => brain.mark(i, null), clear: () => brain.mark(null) });
    brain.paint((i) => labelx.colourOf(table, [0, 1], shares[i]));
    labelx.colourBar(box, { table, limits: [0, 1], label: "share of runs without the label" });
  }

  // ---- The page ----

  function tables({ runs, participants }) {
    const pages = new Map(participants.map(([label, page]) => [label, page && labelx.url(page)]));
    const cells = Object.fromEntries(runs.columns.map(({ id, cells: own }) => [id, own]));
    const href = (row) => pages.get(cells.participant_id[row]) || null;
    labelx.table(document.getElementById("runs-table"), {
      caption: runs.caption,
      columns: runs.columns,
      rows: runs.marks.map((_, row) => runs.columns.map(({ cells: own }) => own[row])),
      row: (i) => ({ href: href(i), className: runs.marks[i] }),
    });
    labelx.table(document.getElementById("participants-table"), {
      caption: "Participants",
      columns: [{ name: "participant" }, { name: "status" }],
      rows: participants.map(([label, , words]) => [label, words]),
      row: (i) => ({
        href: pages.get(participants[i][0]) || null,
        className: { d: "", p: "amber" }[participants[i][2][0]] ?? "failed",
      }),
    });
    return {
      href,
      name: (row) => ["participant_id", "session_id", "run"].map((id) => cells[id]?.[row]).filter(Boolean).join(" "),
    };
  }

  /** One atlas at a time, kept in the address; without script and on paper there are all. */
  function atlasChoice() {
    const parts = [...document.querySelectorAll("[data-atlas]")];
    const atlases = [...new Set(parts.map((one) => one.dataset.atlas))];
    if (atlases.length < 2) return;
    const select = element("select", { autocomplete: "off" }, ...atlases.map((name) => element("option", {}, name)));
    const bar = element("form", { id: "choice", ariaLabel: "What is shown" },
      element("label", {}, element("span", {}, "Atlas"), select));
    document.getElementById("matrices").before(bar);
    document.documentElement.style.setProperty("--choice", `${bar.offsetHeight}px`);
    const show = (wanted) => {
      select.value = atlases.includes(wanted) ? wanted : atlases[0];
      parts.forEach((one) => one.classList.toggle("other", one.dataset.atlas !== select.value));
    };
    select.addEventListener("change", () => {
      show(select.value);
      labelx.address.write({ atlas: select.value });
    });
    labelx.address.listen(({ atlas }) => show(atlas));
    show(labelx.address.read()?.atlas);
  }

  async function start() {
    const { values } = await labelx.unpack(JSON.parse(holder.textContent));
    const content = JSON.parse(new TextDecoder().decode(Uint8Array.from(values)));
    document.documentElement.classList.add("scripted");
    const runs = tables(content);
    atlasChoice();
    const models = labelx.modelPictures({ grid, panel, plot, legend, two });
    const batches = labelx.batchPicture({ grid, panel, plot, fitted, legend, two });
    const draw = { distributions, qcfc, distance, cost, ratings, batches, matrices, missing, ...models };
    const figures = [...document.querySelectorAll("figure.drawing")];
    const seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        const data = content.pictures[figures.indexOf(target)];
        draw[data.kind](target.firstElementChild, data, runs);
      }
    }, { rootMargin: "400px" });
    figures.forEach((figure) => seen.observe(figure));
  }
  start();
})();
