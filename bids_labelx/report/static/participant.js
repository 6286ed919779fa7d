// A participant's page: what is chosen at the top, and kept in the address; loading its data; the
// panel of the chosen region. `content` is what `labelx.pictures` draw from:
//
//   atlas        data of the atlas, or null          volumes, t_r   of the run; 0 without a run
//   strategies   data of all strategies of the run, in the order typed
//   signals      data before denoising, or null
//   chosen       results of the strategy, and of the one beside it
//   pairs        [{strategy, matrix}, …] of these, for the measure
(() => {
  "use strict";
  const json = document.getElementById("contents");
  const contents = json && JSON.parse(json.textContent);
  if (!contents?.participant) return;
  const { element, number, pictures } = labelx;
  const holder = document.getElementById("pictures");
  const sections = [...document.querySelectorAll("section.run")];
  const main = document.querySelector("main");
  document.documentElement.classList.add("scripted");

  // ---- What there is, and what is chosen of it ----

  /** Matrices over several runs, in the form of a run. */
  function concatenatedRuns() {
    const found = new Map();
    for (const { atlas, statistic, strategy, runs, src } of contents.concatenated) {
      const parts = src.split("/").pop().split("_")
        .filter((part) => !/^(sub|atlas|seg|scale|stat|desc)-|^report/.test(part));
      const key = ["concatenated", ...parts].join("_");
      if (!found.has(key)) found.set(key, { key, runs, strategies: {}, atlases: [] });
      const { atlases } = found.get(key);
      let own = atlases.find(({ name }) => name === atlas);
      if (!own) atlases.push((own = { name: atlas, src: "", statistics: {} }));
      own.statistics[statistic] ??= { signals: "", results: {} };
      own.statistics[statistic].results[strategy] = src;
    }
    return [...found.values()];
  }

  const known = new Map(contents.runs.map((run) => [run.key, run]));
  const runs = [
    ...sections.filter(({ dataset }) => dataset.run).map(({ dataset: { run: key, state } }) => ({
      strategies: {}, atlases: [], ...known.get(key), key, state,
    })),
    ...concatenatedRuns(),
  ];
  if (!runs.length) return;

  const named = (list, wanted, name = (one) => one) => list.find((one) => name(one) === wanted);
  const missed = [];

  /** One of a list by its name, or the first; what was asked for in vain is told. */
  function pick(what, list, wanted, name) {
    const found = named(list, wanted, name);
    if (wanted && found === undefined) missed.push(`${what} ${wanted}`);
    return found ?? list[0];
  }

  /** A whole choice out of what is asked for. */
  function settle(wanted) {
    missed.length = 0;
    const first = runs.find(({ atlases }) => atlases.length) ?? runs[0];
    const run = wanted.run ? pick("run", [first, ...runs], wanted.run, ({ key }) => key) : first;
    const atlas = pick("atlas", run.atlases, wanted.atlas, ({ name }) => name);
    const statistics = Object.keys(atlas?.statistics ?? {});
    const statistic = pick("statistic", statistics, wanted.statistic);
    const results = atlas?.statistics[statistic]?.results ?? {};
    const there = contents.strategies.filter((name) => results[name]);
    const strategy = pick("strategy", there, wanted.strategy);
    const others = there.filter((name) => name !== strategy);
    const beside = wanted.beside && wanted.beside !== strategy
      ? pick("strategy", ["", ...others], wanted.beside) : "";
    return {
      run, atlas, statistic, statistics, strategy, beside, there, results,
      measure: wanted.measure ?? "", region: wanted.region ?? "",
    };
  }

  const addressOf = (choice) => ({
    run: choice.run.key, atlas: choice.atlas?.name, statistic: choice.statistic,
    strategy: choice.strategy, beside: choice.beside, measure: choice.measure, region: choice.region,
  });

  // ---- The bar of choices ----

  const bar = element("form", { id: "choice", ariaLabel: "What is shown" });
  bar.addEventListener("submit", (event) => event.preventDefault());
  const selects = Object.fromEntries(["run", "atlas", "statistic", "strategy", "beside", "measure"]
    .map((name) => {
      const select = element("select", { name, autocomplete: "off" });
      select.addEventListener("change", () => choose({ [name]: select.value }));
      const words = name === "beside" ? "compared with" : name;
      bar.append(element("label", { className: name }, element("span", {}, words), select));
      return [name, select];
    }));
  const remark = element("p", { role: "status", className: "remark" });
  bar.append(remark);

  function fill(select, options, value) {
    select.replaceChildren(...options.map(([name, text = name, disabled = false]) =>
      element("option", { value: name, disabled, selected: name === value }, text)));
    select.parentElement.hidden = options.length < 2;
  }

  function showChoice(choice, measures) {
    const { run, atlas, statistics, there, strategy } = choice;
    fill(selects.run, runs.map(({ key, state, runs: count }) => [key,
      state && state !== "done" ? `${state === "failed" ? "✗" : "◐"} ${key} (${state})` : count ? `${key} (${count} runs)` : key]), run.key);
    fill(selects.atlas, run.atlases.map(({ name }) => [name]), atlas?.name);
    fill(selects.statistic, statistics.map((name) => [name]), choice.statistic);
    fill(selects.strategy, contents.strategies.map((name) =>
      (there.includes(name) ? [name] : [name, `${name} (no result)`, true])), strategy);
    fill(selects.beside, [["", "nothing"], ...there.filter((name) => name !== strategy).map((name) => [name])],
      choice.beside);
    fill(selects.measure, measures, choice.measure);
    remark.textContent = missed.length ? `Not in this page: ${missed.join(", ")}.` : "";
  }

  // ---- Loading ----

  const data = (src) => (src ? labelx.load(src).then(labelx.whole).catch(() => null) : null);

  async function contentOf(choice) {
    const { run, atlas, statistic, results } = choice;
    const names = contents.strategies.filter((name) => run.strategies[name]);
    const shown = [choice.strategy, choice.beside].filter(Boolean);
    const [own, signals, strategies, chosen] = await Promise.all([
      data(atlas?.src), data(atlas?.statistics[statistic]?.signals),
      Promise.all(names.map((name) => data(run.strategies[name]))),
      Promise.all(shown.map((name) => data(results[name]))),
    ]);
    const there = chosen.filter(Boolean);
    const measures = new Map(there.flatMap(({ matrices }) =>
      matrices.map(({ measure, words }) => [measure, words])));
    const measure = measures.has(choice.measure) ? choice.measure : [...measures.keys()][0];
    const pairs = there.flatMap(({ strategy, matrices }) => matrices
      .filter((matrix) => matrix.measure === measure).map((matrix) => ({ strategy, matrix })));
    const read = strategies.filter(Boolean);
    return {
      atlas: own ?? (there[0]?.regions ? { regions: there[0].regions } : null),
      signals, strategies: read, chosen: there, pairs, measure, measures: [...measures],
      volumes: read[0]?.volumes ?? signals?.series.shape[1] ?? 0, t_r: read[0]?.t_r ?? null,
    };
  }

  // ---- What is chosen in the pictures ----

  function channel(value) {
    const watchers = new Set();
    return {
      get: () => value,
      set: (next) => {
        if (next === value) return;
        value = next;
        watchers.forEach((watcher) => watcher(value));
      },
      watch: (watcher) => {
        watchers.add(watcher);
        watcher(value);
        return () => watchers.delete(watcher);
      },
    };
  }

  function regionPanel(box, content, link) {
    const { atlas, pairs, volumes } = content;
    let watches = [];
    const facts = (region) => {
      const { regions } = atlas;
      const of = (name) => regions[name]?.[region] ?? null;
      const centre = of("centre");
      return [
        ["index", of("index")], ["network", of("network")],
        ["coverage", regions.coverage && number(of("coverage"), 0.01)],
        ["status", regions.status && pictures.status(of("status"))],
        [atlas.element === "vertex" ? "vertices" : "voxels", of("size")], ["mm³", of("volume")],
        ["centre (mm)", centre && centre.map((one) => number(one, 0.1)).join(", ")],
      ].filter(([, value]) => value !== null && value !== undefined);
    };

    function series(region) {
      const curves = pictures.seriesOf(content)
        .map((one) => ({ ...one, values: one.values.subarray(region * volumes, (region + 1) * volumes) }));
      const ends = d3.extent(curves.flatMap(({ values }) => Array.from(values)));
      if (ends[0] === undefined) {
        box.append(element("p", { className: "quiet" }, "This region has no series."));
        return;
      }
      const chart = labelx.chart(box, {
        ...pictures.along(content, link),
        height: 190,
        label: "Series of the region before and after denoising",
        y: { domain: ends, label: "z-score", ticks: 5 },
        ticks: pictures.volumeTicks(content),
        marks: () => curves.map(({ values, colour }) =>
          Plot.lineY(values, { x: (_, i) => i + 0.5, stroke: colour, strokeWidth: 1.2, clip: true })),
        tip: (volume) => [`volume ${volume}${pictures.timeOf(content, volume)}`,
          ...curves.map(({ title, values, step }) => `${title}: ${number(values[volume], step)}`)].join("\n"),
        select: pictures.toggle(link.volume),
      });
      box.append(pictures.legendOf(curves.map(({ title, colour }) => [title, colour])));
      watches = [link.range.watch(chart.view),
        link.volume.watch((volume) => chart.mark(volume === null ? [] : [volume]))];
    }

    function connections(region) {
      for (const { strategy, matrix } of pairs) {
        const found = pictures.strongest(matrix, region);
        if (matrix.block > 1) {
          box.append(element("p", { className: "quiet" }, `${strategy}: the matrix shows means of `
            + `${matrix.block} regions; the row of this one is in the file below it.`));
        }
        if (!found.length) continue;
        const most = Math.max(...found.map(({ value }) => Math.abs(value)));
        const rows = found.map(({ region: other, value }) => element("tr", {},
          element("th", { scope: "row" }, element("button", {
            type: "button", className: "link", onclick: () => link.region.set(other),
          }, atlas.regions.name[other])),
          element("td", { className: "number" }, number(value, matrix.values.step)),
          element("td", {}, element("i", {
            className: value < 0 ? "strength below" : "strength", style: `width:${(4 * Math.abs(value)) / most}rem`,
          }))));
        box.append(element("table", { className: "strongest" },
          element("caption", {}, `Strongest in its row of the matrix, ${strategy}`),
          element("tbody", {}, ...rows)));
      }
    }

    link.region.watch((region) => {
      watches.forEach((stop) => stop());
      watches = [];
      box.replaceChildren();
      box.classList.toggle("empty", region === null);
      if (region === null) {
        box.append(element("p", { className: "quiet" }, "Click a region in any picture, or press Enter "
          + "on it, to see its place, series, connections and coverage here. Escape closes it."));
        return;
      }
      box.append(element("button", {
        type: "button", className: "close", ariaLabel: "Close the region", onclick: () => link.region.set(null),
      }, "×"), element("h3", {}, atlas.regions.name[region]), element("dl", { className: "facts" },
        ...facts(region).map(([name, value]) =>
          element("div", {}, element("dt", {}, name), element("dd", {}, String(value))))));
      series(region);
      connections(region);
      labelx.tip.say(`${atlas.regions.name[region]} chosen`);
    });
  }

  // ---- Drawing ----

  const warningsOf = ({ atlas, statistic, strategy, beside }) => [strategy, beside]
    .flatMap((name) => (atlas.statistics[statistic].warnings?.[name] ?? [])
      .map((text) => element("p", { className: "remark" }, `${name}: ${text}`)));

  let shown = { address: {}, link: null, content: null };
  let turn = 0;

  async function draw(choice, push) {
    turn += 1;
    const mine = turn;
    // Of matrices over several runs there is one section without the name of a run.
    const section = named(sections, choice.run.key, ({ dataset }) => dataset.run)
      ?? sections.find(({ dataset }) => !dataset.run);
    sections.forEach((one) => one.classList.toggle("chosen", one === section));
    const content = await contentOf(choice);
    if (mine !== turn) return;
    const at = content.atlas ? content.atlas.regions.name.indexOf(choice.region) : -1;
    if (!push) {
      if (choice.measure && choice.measure !== content.measure) missed.push(`measure ${choice.measure}`);
      if (choice.region && at < 0) missed.push(`region ${choice.region}`);
    }
    choice.measure = content.measures.length > 1 ? content.measure : "";
    const before = shown;
    const same = before.address.run === choice.run.key;
    const link = {
      region: channel(at < 0 ? null : at),
      volume: channel(same ? before.link.volume.get() : null),
      range: channel(same ? before.link.range.get() : [0, content.volumes]),
    };
    shown = { address: addressOf(choice), link, content };
    showChoice(choice, content.measures);
    // An anchor of the page stays in the address until something is chosen.
    if (push || !anchor) labelx.address.write(shown.address, !push);
    link.region.watch((region) => {
      shown.address.region = region === null ? "" : content.atlas.regions.name[region];
      if (!anchor) labelx.address.write(shown.address);
    });
    // Its height is kept while it is empty, or the window would scroll.
    holder.style.minHeight = `${holder.offsetHeight}px`;
    const drawn = element("div", { id: "drawn" });
    const panel = element("aside", { id: "region", className: "empty", ariaLabel: "The chosen region" });
    const title = [choice.atlas?.name, choice.statistic, [choice.strategy, choice.beside].filter(Boolean).join(" beside ")];
    holder.replaceChildren(drawn, panel);
    // Below the first table, that of the strategies.
    (section.querySelector(":scope > .facts ~ div") ?? section).after(holder);
    if (choice.atlas) {
      drawn.append(element("h2", {}, title.filter(Boolean).join(", ")), ...warningsOf(choice));
      const whole = content.atlas?.regions.status ? content : { ...content, atlas: null };
      pictures.time(drawn, whole, link);
      pictures.connectivity(drawn, content, link);
      pictures.brain(drawn, whole, link);
      pictures.coverage(drawn, whole, link);
      pictures.spectrum(drawn, content);
      pictures.regressors(drawn, content, link);
      pictures.confounds(drawn, content);
      pictures.regionTable(drawn, whole, link);
      if (content.atlas) regionPanel(panel, content, link);
    }
    holder.style.minHeight = "";
    links.replaceChildren(...[...drawn.querySelectorAll("h3[id]")].map(({ id, textContent }) =>
      element("li", {}, element("a", { href: `#${id}` }, textContent))));
  }

  function choose(part) {
    draw(settle({ ...shown.address, ...part }), true);
  }

  function follow(wanted) {
    const { region, ...rest } = shown.address;
    const { region: other = "", ...asked } = wanted;
    const alike = Object.keys({ ...rest, ...asked }).every((key) => (rest[key] || "") === (asked[key] || ""));
    const at = shown.content?.atlas?.regions.name.indexOf(other) ?? -1;
    if (alike && shown.link) shown.link.region.set(at < 0 ? null : at);
    else draw(settle(wanted), false);
  }

  // ---- Links within the page leave the address to the choice ----

  const links = element("ul", { className: "more" });
  document.addEventListener("click", (event) => {
    const href = event.target.closest?.('a[href^="#"]')?.getAttribute("href");
    const target = href && document.getElementById(href.slice(1));
    if (!target) return;
    event.preventDefault();
    if (target.dataset.run) choose({ run: target.dataset.run });
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
    target.scrollIntoView();
  });

  main.insertBefore(bar, sections[0] ?? holder);
  new ResizeObserver(() => {
    document.documentElement.style.setProperty("--choice", `${bar.offsetHeight}px`);
  }).observe(bar);
  document.querySelector("nav").append(links);
  labelx.address.listen(follow);
  const wanted = labelx.address.read();
  const plain = wanted ? "" : location.hash.slice(1);
  let anchor = plain && document.getElementById(plain);
  draw(settle(wanted ?? { run: anchor && anchor.dataset.run }), false).then(() => {
    if (anchor) anchor.scrollIntoView({ behavior: "instant" });
    anchor = null;
  });
})();
