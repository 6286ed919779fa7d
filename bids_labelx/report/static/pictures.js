// The pictures of a participant's page. Each function appends one to an element, and draws nothing
// where there are no data for it. Adds `labelx.pictures`; `participant.js` says what `content` is.
// `link.region`, `link.volume` and `link.range` are what is chosen in all pictures: each has
// get(), set(value), and watch(f), which calls f(value) now and at each change.
(() => {
  "use strict";
  const { element, number } = labelx;
  const CARPET = { table: labelx.colours.gray, limits: [-2, 2] }; // Standard deviations.
  const STATUS = (status) => (status === "ok" ? "has data" : `missing: ${status}`);

  const { counted } = labelx;
  const heading = (box, id, text, ...more) =>
    box.append(element("h3", { id }, text), ...more.map((one) => element("p", { className: "quiet" }, one)));
  const colourOfNumber = ["var(--after)", "var(--beside)"];

  function legendOf(entries, more = "") {
    return element("div", { className: "legend" }, ...entries.map(([name, colour]) =>
      element("span", {}, element("i", { style: `background:${colour}` }), name)), more);
  }

  /** Blocks of rows of one network: [first row, count, name]. */
  function blocksOf(names) {
    const blocks = [];
    names.forEach((name, i) => {
      if (i && name === names[i - 1]) blocks[blocks.length - 1][1] += 1;
      else blocks.push([i, 1, name]);
    });
    return blocks;
  }

  /** Names at an edge and lines for regions in an order: by network where there is one. */
  function edgesOf({ regions }, order, most) {
    const networks = regions.network && blocksOf(order.map((i) => regions.network[i]));
    const lines = networks ? networks.slice(1).map(([first]) => first) : [];
    const names = networks && order.length > most
      ? networks : order.map((i, row) => [row, 1, regions.name[i]]);
    return { names, lines };
  }

  const timeOf = ({ t_r }, volume) => (t_r ? ` (${number(volume * t_r, 0.1)} s)` : "");

  /** Options that all pictures along time share. */
  const along = (content, link) => ({
    columns: content.volumes,
    zoom: link.range.set,
    clear: () => [link.region, link.volume].forEach((one) => one.set(null)),
  });
  const toggle = (channel) => (value) => channel.set(channel.get() === value ? null : value);

  const unitOf = ({ t_r }) => (t_r ? "volume, seconds" : "volume");

  function volumeTicks({ t_r, volumes }) {
    return ([from, to], width) => d3.ticks(from, to - 1, Math.max(2, width / 90))
      .filter((volume) => Number.isInteger(volume) && volume < volumes)
      .map((volume) => [volume + 0.5, t_r ? `${volume}\n${+(volume * t_r).toFixed(1)} s` : String(volume)]);
  }

  // ---- Along time ----

  function motion(box, content, link) {
    const { strategies, chosen } = content;
    if (!strategies.length) return;
    const own = strategies.find(({ strategy }) => strategy === chosen[0]?.strategy) ?? strategies[0];
    const censored = Array.from(own.kept.values, (kept, i) => (kept ? -1 : i)).filter((i) => i >= 0);
    if (own.motion.length && censored.length) {
      box.append(legendOf([[`censored by ${own.strategy}`, "var(--censored)"]]));
    }
    own.motion.forEach(({ name, values, threshold }, place) => {
      const top = 1.05 * values.values.reduce((most, one) => (one > most ? one : most), threshold ?? 0);
      const last = place === own.motion.length - 1;
      const chart = labelx.chart(box, {
        ...along(content, link),
        height: last ? 150 : 100,
        label: `${name} by volume`,
        y: { domain: [0, top || 1], ticks: 3, label: name },
        ticks: last ? volumeTicks(content) : null,
        xLabel: last ? unitOf(content) : null,
        marks: () => [
          Plot.rect(censored, { x1: (i) => i, x2: (i) => i + 1, y1: 0, y2: top, fill: "var(--censored)", clip: true }),
          Plot.lineY(values.values, { x: (_, i) => i + 0.5, stroke: "var(--before)", clip: true }),
          threshold && Plot.ruleY([threshold], { stroke: "var(--lost)", strokeDasharray: "4 3" }),
        ],
        tip: (volume) => `${name}: ${number(values.values[volume], values.step)}\n`
          + `volume ${volume}${timeOf(content, volume)}${own.kept.values[volume] ? "" : ", censored"}`,
        select: toggle(link.volume),
      });
      link.range.watch(chart.view);
      link.volume.watch((volume) => chart.mark(volume === null ? [] : [volume]));
    });
    box.append(element("h4", {}, "Volumes censored"));
    const values = strategies.flatMap(({ kept }) => Array.from(kept.values));
    const count = content.volumes;
    const strip = labelx.heat(box, {
      ...along(content, link),
      rows: strategies.length,
      height: 18 * strategies.length,
      label: "Volumes censored by each strategy",
      left: strategies.map(({ strategy, kept }, row) =>
        [row, 1, `${strategy}: ${kept.values.filter((one) => !one).length}`]),
      leftWidth: "var(--gutter)",
      tip: (row, volume) => `${strategies[row].strategy}: volume ${volume}${timeOf(content, volume)} `
        + (values[row * count + volume] ? "kept" : "censored"),
      select: (_, volume) => toggle(link.volume)(volume),
    });
    const paint = () => strip.paint({
      pixels: values.flatMap((kept) => (kept ? [120, 130, 140, 40] : [213, 94, 0, 255])),
    });
    paint();
    link.range.watch(strip.view);
    link.volume.watch((volume) => strip.mark({ columns: volume === null ? [] : [volume] }));
  }

  /** A series with a column for every volume, NaN where one is censored. */
  function whole({ shape: [rows, kept], values }, strategy, volumes) {
    if (!strategy || kept === volumes) return values;
    const all = new Float32Array(rows * volumes).fill(NaN);
    const places = Array.from(strategy.kept.values.keys()).filter((i) => strategy.kept.values[i]);
    for (let row = 0; row < rows; row += 1) {
      places.forEach((volume, k) => {
        all[row * volumes + volume] = values[row * kept + k];
      });
    }
    return all;
  }

  /** Series before and after: [{title, values, step, colour}, …]. */
  function seriesOf({ signals, chosen, strategies, volumes }) {
    const found = signals ? [{
      title: "before", values: signals.series.values, step: signals.series.step, colour: "var(--before)",
    }] : [];
    chosen.forEach(({ strategy, series }, i) => {
      const of = strategies.find((one) => one.strategy === strategy);
      if (!series || !of) return;
      found.push({
        title: strategy, values: whole(series, of, volumes), step: series.step, colour: colourOfNumber[i],
      });
    });
    return found;
  }

  function carpets(box, content, link) {
    const { atlas, volumes } = content;
    const series = seriesOf(content);
    if (!series.length || !atlas) return;
    const { order, regions } = atlas;
    const edges = edgesOf(atlas, order, 0);
    for (const { title, values, step } of series) {
      const ordered = new Float32Array(values.length);
      order.forEach((region, row) => {
        ordered.set(values.subarray(region * volumes, (region + 1) * volumes), row * volumes);
      });
      box.append(element("h4", {}, title));
      const carpet = labelx.heat(box, {
        ...along(content, link),
        rows: order.length,
        height: Math.max(90, Math.min(260, 2 * order.length)),
        label: `Carpet, ${title}: ${counted(order.length, "region")} by ${counted(volumes, "volume")}`,
        left: regions.network ? edges.names : [],
        leftWidth: "var(--gutter)",
        lines: { rows: edges.lines },
        tip: (row, volume) => `${regions.name[order[row]]}: `
          + `${number(ordered[row * volumes + volume], step)}\n`
          + `volume ${volume}${timeOf(content, volume)}, ${title}`,
        select: (row) => toggle(link.region)(order[row]),
      });
      carpet.paint({ values: ordered, ...CARPET });
      const mark = () => {
        const [region, volume] = [link.region.get(), link.volume.get()];
        carpet.mark({
          rows: region === null ? [] : [order.indexOf(region)],
          columns: volume === null ? [] : [volume],
        });
      };
      link.range.watch(carpet.view);
      link.region.watch(mark);
      link.volume.watch(mark);
    }
    const axis = labelx.chart(box, {
      columns: volumes, height: 54, ticks: volumeTicks(content), xLabel: unitOf(content),
    });
    link.range.watch(axis.view);
    labelx.colourBar(box, { ...CARPET, label: "z-score of a region's series", none: "censored, or no data" });
  }

  function zoomButtons(box, content, link) {
    const count = content.volumes;
    const moved = (share) => () => {
      const [from, to] = link.range.get();
      const by = Math.round(share * (to - from));
      const first = Math.max(0, Math.min(count - (to - from), from + by));
      link.range.set([first, first + to - from]);
    };
    const scaled = (factor) => () => {
      const [from, to] = link.range.get();
      link.range.set(labelx.zoomed([from, to], factor, link.volume.get() ?? (from + to) / 2, count));
    };
    const tools = element("div", { className: "tools", role: "group", ariaLabel: "Time shown" });
    for (const [text, name, onclick] of [
      ["+", "Zoom in", scaled(0.5)], ["−", "Zoom out", scaled(2)], ["←", "Earlier", moved(-0.5)],
      ["→", "Later", moved(0.5)], ["Whole run", "Whole run", () => link.range.set([0, count])],
    ]) tools.append(element("button", { type: "button", ariaLabel: name, onclick }, text));
    const told = element("span", { className: "quiet" });
    link.range.watch(([from, to]) => {
      told.textContent = `volumes ${from} to ${to - 1} of ${count}`;
    });
    tools.append(told);
    box.append(tools);
  }

  function time(box, content, link) {
    if (!content.volumes) return;
    heading(box, "series", "Motion and series");
    zoomButtons(box, content, link);
    motion(box, content, link);
    carpets(box, content, link);
  }

  // ---- Connectivity ----

  const rowOf = ({ order, block }, region) => Math.floor(order.indexOf(region) / block);
  const shownName = ({ order, block }, { name }, row) => {
    const members = order.slice(row * block, (row + 1) * block);
    return members.length > 1
      ? `${name[members[0]]} … ${name[members[members.length - 1]]} (${members.length})` : name[members[0]];
  };

  function histogram(box, pairs) {
    const { words, values: { step } } = pairs[0].matrix;
    // In whole steps: else some bars would have one more value than others.
    const steps = pairs.map(({ matrix: { size, values: { values } } }) => {
      const off = [];
      for (let i = 0, k = 0; i < size; i += 1) {
        for (let j = i; j < size; j += 1, k += 1) {
          if (j > i && !Number.isNaN(values[k])) off.push(Math.round(values[k] / step));
        }
      }
      return off;
    });
    const [low, high] = d3.extent(steps.flat());
    if (low === undefined) return;
    const width = Math.ceil((high - low + 1) / 40);
    const first = width * Math.floor(low / width);
    const count = Math.floor((high - first) / width) + 1;
    const bins = steps.map((own) => {
      const counts = Array(count).fill(0);
      own.forEach((one) => {
        counts[Math.floor((one - first) / width)] += 1;
      });
      return counts;
    });
    const most = Math.max(...bins.flat());
    const named = (k) => [...new Set([k * width, (k + 1) * width - 1]
      .map((one) => number((first + one) * step, step)))].join(" to ");
    labelx.chart(box, {
      columns: count,
      height: 190,
      label: "Histogram of the pairs of regions",
      y: {
        label: "pairs of regions", domain: [0, most], tickFormat: "d",
        ticks: d3.ticks(0, most, 4).filter(Number.isInteger),
      },
      ticks: () => d3.ticks(first * step, (first + count * width) * step, 6)
        .map((value) => [(value / step - first + 0.5) / width, String(value)]),
      xLabel: words,
      marks: () => bins.map((counts, i) => Plot.rectY(counts, {
        x1: (_, k) => k, x2: (_, k) => k + 1, y: (n) => n, fill: colourOfNumber[i],
        fillOpacity: i ? 0.15 : 0.5, stroke: colourOfNumber[i],
      })),
      tip: (k) => [named(k), ...pairs.map(({ strategy }, i) =>
        `${strategy}: ${counted(bins[i][k], "pair")}`)].join("\n"),
    });
    box.append(legendOf(pairs.map(({ strategy }, i) => [strategy, colourOfNumber[i]])));
  }

  function connectivity(box, content, link) {
    const { atlas, pairs } = content;
    if (!pairs.length || !atlas) return;
    heading(box, "connectivity", "Connectivity", `${pairs[0].matrix.words} between regions.`);
    const limits = [0, 1].map((i) =>
      Math[i ? "max" : "min"](...pairs.map(({ matrix }) => matrix.limits[i])));
    const table = limits[0] < 0 ? labelx.colours.RdBu_r : labelx.colours.cividis;
    const beside = element("div", { className: "beside" });
    box.append(beside);
    for (const { strategy, matrix } of pairs) {
      const { size, block, order } = matrix;
      const values = labelx.square(matrix.values.values, size);
      const rows = Array.from({ length: size }, (_, row) => order[row * block]);
      const { names, lines } = edgesOf(atlas, rows, 60);
      const figure = element("figure", {}, element("h4", {}, strategy));
      beside.append(figure);
      const heat = labelx.heat(figure, {
        rows: size,
        columns: size,
        label: `${matrix.words}, ${strategy}: ${counted(size, "row")}`,
        left: names,
        below: names,
        lines: { rows: lines, columns: lines },
        tip: (row, column) => {
          const [one, other] = [row, column].map((at) => shownName(matrix, atlas.regions, at));
          return `${one} – ${other}: ${number(values[row * size + column], matrix.values.step)}`;
        },
        select: (row) => toggle(link.region)(order[row * block]),
        clear: () => link.region.set(null),
      });
      heat.paint({ values, table, limits });
      link.region.watch((region) => {
        const at = region === null ? [] : [rowOf(matrix, region)];
        heat.mark({ rows: at, columns: at });
      });
      const caption = element("figcaption", {}, matrix.note ? `${matrix.note} ` : "");
      caption.append(element("a", { href: labelx.url(matrix.file) }, "File of the matrix"));
      figure.append(caption);
    }
    labelx.colourBar(box, { table, limits, label: pairs[0].matrix.words, none: "no value" });
    histogram(box, pairs);
  }

  /** The strongest pairs of a region in a matrix: [{region, value}, …]. */
  function strongest({ order, block, size, values }, region, most = 10) {
    const at = order.indexOf(region);
    if (block > 1 || at < 0) return [];
    const row = labelx.square(values.values, size).subarray(at * size, (at + 1) * size);
    return Array.from(row, (value, i) => ({ region: order[i], value }))
      .filter(({ region: other, value }) => other !== region && !Number.isNaN(value))
      .sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, most);
  }

  labelx.pictures = {
    time, connectivity, heading, counted, toggle, legendOf, seriesOf, strongest, rowOf, along,
    timeOf, volumeTicks, status: STATUS, colours: colourOfNumber,
  };
})();
