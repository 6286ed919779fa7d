// More pictures of a participant's page: regions in the brain, their coverage, power and table,
// and the regressors and confounds. Adds to `labelx.pictures`, see `pictures.js`.
(() => {
  "use strict";
  const { element, number, pictures } = labelx;
  const { heading, counted, toggle, legendOf } = pictures;
  const COVERAGE = { table: labelx.colours.cividis, limits: [0, 1] };

  const isLost = ({ regions }, region) => regions.status[region] !== "ok";
  const coverageOf = ({ regions }, region) => `coverage ${number(regions.coverage[region], 0.01)}`;

  function textOf(atlas, region) {
    const { name, network, status } = atlas.regions;
    return [
      network ? `${name[region]}, ${network[region]}` : name[region],
      coverageOf(atlas, region), ...(isLost(atlas, region) ? [pictures.status(status[region])] : []),
    ].join("\n");
  }

  /** Links that choose regions, some of them at first. */
  function regionLinks(regions, chosen, choose, words) {
    const items = chosen.map((region) => element("li", {}, element("button", {
      type: "button", className: "link", onclick: () => choose(region),
    }, regions.name[region]), ` (${regions.status[region]})`));
    return element("details", { className: "lost", open: chosen.length <= 12 },
      element("summary", {}, words), element("ul", {}, ...items));
  }

  function brain(box, content, link) {
    const { atlas, pairs } = content;
    if (!atlas) return;
    const { regions, panels, networks, colours, meaning } = atlas;
    const count = regions.name.length;
    heading(box, "brain", "Brain");
    if (atlas.note) box.append(element("p", { className: "quiet" }, atlas.note));
    const lost = Uint8Array.from({ length: count }, (_, region) => isLost(atlas, region));
    const missing = Array.from(lost.keys()).filter((region) => lost[region]);
    if (panels.length) {
      const tools = element("div", { className: "tools", role: "radiogroup", ariaLabel: "Colours" });
      const legend = element("div", { className: "legend" });
      const holder = element("div", { className: "brain" });
      box.append(tools, holder, legend);
      const choose = toggle(link.region);
      const drawn = labelx.brain(holder, {
        panels, lost, tip: (region) => textOf(atlas, region) + valueText(region), select: choose,
        clear: () => link.region.set(null),
      });
      const rgb = colours.map(labelx.rgb);
      const [pair] = pairs;
      const values = pair && labelx.square(pair.matrix.values.values, pair.matrix.size);
      let mode = "labels";
      const valueOf = (region) => {
        const { size } = pair.matrix;
        const [row, column] = [link.region.get(), region].map((one) => pictures.rowOf(pair.matrix, one));
        return values[row * size + column];
      };
      function valueText(region) {
        if (mode !== "connectivity" || link.region.get() === null) return "";
        return `\n${pair.matrix.words} with ${regions.name[link.region.get()]}: `
          + number(valueOf(region), pair.matrix.values.step);
      }
      const modes = {
        labels: () => {
          drawn.paint((region) => rgb[region], 0.75);
          legend.replaceChildren(meaning, legendOf(networks ?? []));
        },
        coverage: () => {
          drawn.paint((region) =>
            labelx.colourOf(COVERAGE.table, COVERAGE.limits, regions.coverage[region] ?? 0));
          legend.replaceChildren();
          labelx.colourBar(legend, { ...COVERAGE, label: "share of a region with data" });
        },
        connectivity: () => {
          const scale = { table: labelx.colours.RdBu_r, limits: pair.matrix.limits };
          const chosen = link.region.get() !== null;
          drawn.paint((region) => labelx.colourOf(scale.table, scale.limits, chosen ? valueOf(region) : NaN));
          legend.replaceChildren(chosen ? `${pair.strategy}: with ${regions.name[link.region.get()]}`
            : "Click a region: the others are coloured by their connectivity with it.");
          labelx.colourBar(legend, { ...scale, label: pair.matrix.words, none: "no value" });
        },
      };
      for (const [name, text] of [["labels", "Labels"], ["coverage", "Coverage"],
        ...(pair ? [["connectivity", "Connectivity of the chosen region"]] : [])]) {
        const input = element("input", { type: "radio", name: "mode", checked: name === mode });
        input.addEventListener("change", () => {
          mode = name;
          modes[mode]();
        });
        tools.append(element("label", {}, input, text));
      }
      modes[mode]();
      link.region.watch((region) => {
        drawn.mark(region, region === null ? null : regions.centre?.[region]);
        if (mode === "connectivity") modes[mode]();
      });
    }
    if (missing.length) {
      box.append(regionLinks(regions, missing, link.region.set,
        `✗ ${missing.length} of ${counted(count, "region")} missing (hatched)`));
    }
  }

  function coverage(box, content, link) {
    const { atlas } = content;
    if (!atlas) return;
    const { regions, threshold } = atlas;
    const value = (region) => regions.coverage[region] ?? 0;
    const order = regions.name.map((_, i) => i).sort((a, b) => value(a) - value(b) || a - b);
    const lost = order.filter((region) => isLost(atlas, region)).length;
    const count = order.length;
    heading(box, "coverage", "Coverage",
      `${counted(count, "region")} in order of coverage; ${lost} missing; threshold ${threshold}`);
    const chart = labelx.chart(box, {
      columns: count,
      height: 170,
      label: "Coverage of each region, in order",
      y: { domain: [0, 1.02], ticks: 5, label: "share with data" },
      marks: () => [
        Plot.rectY(order, {
          x1: (_, i) => i, x2: (_, i) => i + 1, y: value, insetLeft: count < 150 ? 0.5 : 0,
          fill: (region) => (isLost(atlas, region) ? "var(--lost)" : "var(--after)"),
        }),
        Plot.dot(order, {
          filter: (region) => !value(region), x: (_, i) => i + 0.5, y: 0.03, symbol: "times",
          stroke: "var(--lost)", r: 3,
        }),
        Plot.ruleY([threshold], { strokeDasharray: "4 3" }),
      ],
      tip: (column) => textOf(atlas, order[column]),
      select: (column) => toggle(link.region)(order[column]),
      clear: () => link.region.set(null),
    });
    link.region.watch((region) => chart.mark(region === null ? [] : [order.indexOf(region)]));
  }

  function spectrum(box, content) {
    const { signals, chosen } = content;
    const curves = [
      ...(signals?.spectrum ? [["before", signals.spectrum, "var(--before)", "4 3"]] : []),
      ...chosen.flatMap(({ strategy, spectrum: own }, i) =>
        (own ? [[strategy, own, pictures.colours[i], null]] : [])),
    ];
    if (!curves.length) return;
    const { frequencies } = curves[0][1];
    const count = frequencies.length;
    const last = frequencies[count - 1];
    const place = (hertz) => (hertz / last) * (count - 1) + 0.5;
    const top = Math.max(...curves.map(([, { power }]) => d3.max(power.values)));
    const [low, high] = chosen[0]?.band ?? [null, null];
    heading(box, "spectrum", "Power spectrum", "Mean over regions of the share of power per Hz.");
    labelx.chart(box, {
      columns: count,
      height: 230,
      label: "Power by frequency",
      y: {
        domain: [top - 5, top + 0.3], label: "share of power per Hz", ticks: d3.range(Math.ceil(top - 5), top + 0.3),
        tickFormat: (power) => `1e${power}`,
      },
      ticks: (_, width) => d3.ticks(0, last, width / 90).map((hertz) => [place(hertz), String(hertz)]),
      xLabel: "frequency (Hz)",
      marks: () => [
        (low !== null || high !== null) && Plot.rect([0], {
          x1: place(low ?? 0), x2: place(high ?? last), y1: top - 5, y2: top + 0.3, fill: "var(--raised)",
        }),
        ...curves.map(([, { frequencies: own, power }, stroke, strokeDasharray]) => Plot.line(own, {
          x: place, y: (_, i) => power.values[i], stroke, strokeDasharray, clip: true,
        })),
      ],
      tip: (column) => [`${frequencies[column]} Hz`, ...curves.map(([name, { frequencies: own, power }]) => {
        const at = d3.minIndex(own, (hertz) => Math.abs(hertz - frequencies[column]));
        return `${name}: ${(10 ** power.values[at]).toPrecision(2)} per Hz`;
      })].join("\n"),
    });
    box.append(legendOf(curves.map(([name, , colour]) => [name, colour]),
      low !== null || high !== null ? `shaded: pass band of ${chosen[0].strategy}` : ""));
  }

  /** Data of the strategies that are shown. */
  const shownStrategies = ({ chosen, strategies }) => chosen
    .map(({ strategy }) => strategies.find((one) => one.strategy === strategy)).filter(Boolean);

  function regressors(box, content, link) {
    const found = shownStrategies(content).filter(({ names }) => names.length);
    if (!found.length) return;
    const count = content.volumes;
    const scale = { table: labelx.colours.gray, limits: [-3, 3] };
    heading(box, "regressors", "Regressors");
    for (const { strategy, kept, names, regressors: { values, step } } of found) {
      const shown = Float32Array.from(values, (one, i) => (kept.values[i % count] ? one : NaN));
      const whole = element("div", { className: "whole" }, element("h4", {}, strategy));
      box.append(whole);
      const heat = labelx.heat(whole, {
        ...pictures.along(content, link),
        rows: names.length,
        height: 14 * names.length,
        label: `${counted(names.length, "regressor")} of ${strategy} by volume`,
        left: names.map((name, row) => [row, 1, name]),
        tip: (row, volume) => `${names[row]}: ${number(values[row * count + volume], step)}\n`
          + `volume ${volume}${pictures.timeOf(content, volume)}${kept.values[volume] ? "" : ", censored"}`,
        select: (_, volume) => toggle(link.volume)(volume),
      });
      heat.paint({ values: shown, ...scale });
      link.range.watch(heat.view);
      link.volume.watch((volume) => heat.mark({ columns: volume === null ? [] : [volume] }));
    }
    labelx.colourBar(box, { ...scale, label: "z-score", none: "censored" });
  }

  function confounds(box, content) {
    const found = shownStrategies(content).filter((one) => one.confounds);
    if (!found.length) return;
    const scale = { table: labelx.colours.RdBu_r, limits: [-1, 1] };
    heading(box, "confounds", "Confounds",
      "Correlations between regressors, without cosines, the global signal, framewise displacement "
      + "and DVARS.");
    const beside = element("div", { className: "beside whole" });
    box.append(beside);
    for (const { strategy, confounds: { names, values } } of found) {
      const size = names.length;
      const square = labelx.square(values.values, size);
      const edge = names.map((name, row) => [row, 1, name]);
      const figure = element("figure", {}, element("h4", {}, strategy));
      beside.append(figure);
      labelx.heat(figure, {
        rows: size,
        columns: size,
        label: `Correlations between ${counted(size, "confound")} of ${strategy}`,
        left: edge,
        below: edge,
        tip: (row, column) =>
          `${names[row]} – ${names[column]}: ${number(square[row * size + column], values.step)}`,
      }).paint({ values: square, ...scale });
    }
    labelx.colourBar(box, { ...scale, label: "Pearson correlation", none: "no value" });
  }

  function regionTable(box, { atlas }, link) {
    if (!atlas) return;
    const { regions, element: word } = atlas;
    const columns = [
      { name: "name", of: (i) => regions.name[i] },
      { name: "index", step: 1, of: (i) => regions.index[i] },
      ...(regions.network ? [{ name: "network", of: (i) => regions.network[i] }] : []),
      { name: "coverage", step: 0.01, of: (i) => regions.coverage[i] },
      { name: "status", of: (i) => regions.status[i] },
      { name: word === "vertex" ? "vertices" : "voxels", step: 1, of: (i) => regions.size[i] },
      ...(regions.volume ? [{ name: "mm³", step: 1, of: (i) => regions.volume[i] }] : []),
      ...(regions.centre ? [0, 1, 2].map((axis) => (
        { name: `${"xyz"[axis]} (mm)`, step: 0.1, of: (i) => regions.centre[i]?.[axis] })) : []),
    ];
    heading(box, "regions", "Regions");
    const table = labelx.table(box, {
      caption: `Regions of ${atlas.atlas}`,
      columns,
      rows: regions.name.map((_, i) => columns.map(({ of }) => of(i))),
      row: (i) => ({ className: isLost(atlas, i) ? "failed" : "" }),
      select: toggle(link.region),
    });
    link.region.watch(table.mark);
  }

  Object.assign(pictures, {
    brain, coverage, spectrum, regressors, confounds, regionTable,
  });
})();
