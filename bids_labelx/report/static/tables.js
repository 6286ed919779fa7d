// Tables that are sorted and filtered; rows are in the page only near where it is looked at.
// Static tables (`.scroll > table`) are served when the page is ready. Adds to `labelx`:
//
//   table(box, options)   appends a table drawn from data to an element. Options:
//     caption             stands above it
//     columns             [{name, step}, …]: numbers with the decimals of step; without, text
//     rows                [[cell, …], …]; null or NaN: n/a
//     row(index)          optional: {href, className, title} of a row; href links its first cell
//     select(index)       optional: a row clicked, or Enter at its first cell
//   It returns {element, mark}; mark(index) highlights a row and brings it into sight, null none
//
//   served.get(table)     of a static one: {rows, reveal}; reveal(index) brings a row into sight
(() => {
  "use strict";
  const { element } = labelx;
  const FEW_ROWS = 8; // They need no filter.
  const ALL_ROWS = 200; // As many are in the page at once.
  const AROUND = 40; // Rows before and after those in sight.
  const NO_VALUE = new Set(["", "n/a", "–", "-", "not known", "nan"]);
  const NEXT = { null: "ascending", ascending: "descending" };
  const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  const asNumber = (text) =>
    +text.replace(/[\s,%]/g, "").replace("−", "-").replace(/inf$/i, "Infinity");

  /** Rows by the texts of a column; those without a value are last whichever way it goes. */
  function sorted(order, texts, column, numeric, direction) {
    const sign = direction === "ascending" ? 1 : -1;
    // Not the difference of the numbers: that of two infinities is none.
    const compare = numeric ? (a, b) => (a > b) - (a < b) : byName.compare;
    return order.map((index) => {
      const text = texts(index)[column].trim();
      const key = numeric ? asNumber(text) : text;
      return { index, key, missing: NO_VALUE.has(text.toLowerCase()) || Number.isNaN(key) };
    }).sort((a, b) => a.missing - b.missing || sign * compare(a.key, b.key))
      .map(({ index }) => index);
  }

  /** Sorting, filter and rows on demand; `node(i)` and `texts(i)` are a row and its words. */
  function serve(scroll, table, { count, node, texts }) {
    const body = table.tBodies[0];
    const every = Array.from({ length: count }, (_, i) => i);
    const headers = [...table.tHead.rows[0].cells];
    let order = every;
    let words = [];
    let shown = every;
    let height = 0;
    let window_ = [0, 0];

    const space = (rows) => {
      const row = element("tr", { className: "space", ariaHidden: "true" });
      row.style.height = `${rows * height}px`;
      return row;
    };

    function show(all = false) {
      if (all || shown.length <= ALL_ROWS) {
        window_ = [0, shown.length];
        body.replaceChildren(...shown.map(node));
        return;
      }
      if (!height) {
        body.replaceChildren(node(shown[0]));
        height = body.offsetHeight || 30;
      }
      const room = Math.ceil(scroll.clientHeight / height);
      const lowest = shown.length - 2 * AROUND - room;
      const top = Math.floor(scroll.scrollTop / height) - AROUND;
      const first = Math.max(0, Math.min(lowest, top));
      const last = Math.min(shown.length, first + 2 * AROUND + room);
      window_ = [first, last];
      body.replaceChildren(
        space(first), ...shown.slice(first, last).map(node), space(shown.length - last));
    }

    function refresh() {
      shown = words.length ? order.filter((i) => {
        const text = texts(i).join("\n").toLowerCase();
        return words.every((word) => text.includes(word));
      }) : order;
      show();
    }

    scroll.addEventListener("scroll", () => {
      if (shown.length <= ALL_ROWS || !height) return;
      const first = scroll.scrollTop / height;
      const last = first + scroll.clientHeight / height;
      const [from, to] = window_;
      if ((from && first < from + 5) || (to < shown.length && last > to - 5)) show();
    }, { passive: true });
    window.addEventListener("beforeprint", () => show(true));
    window.addEventListener("afterprint", () => show());

    if (count > 1) {
      headers.forEach((header, column) => {
        const button = element("button", { type: "button", className: "sort" });
        button.append(...header.childNodes);
        button.append(element("span", { className: "arrow", ariaHidden: "true" }));
        header.append(button);
        button.addEventListener("click", () => {
          const direction = NEXT[header.getAttribute("aria-sort")];
          headers.forEach((other) => other.removeAttribute("aria-sort"));
          if (direction) header.setAttribute("aria-sort", direction);
          const numeric = header.classList.contains("number");
          order = direction ? sorted(every, texts, column, numeric, direction) : every;
          refresh();
        });
      });
    }
    if (count > FEW_ROWS) {
      const input = element("input", { type: "search", autocomplete: "off" });
      input.ariaLabel = `Filter rows: ${scroll.getAttribute("aria-label")}`;
      const told = element("span", { role: "status", textContent: `${count} rows` });
      const label = element("label", {}, "Filter rows", input);
      scroll.before(element("div", { className: "filter" }, label, told));
      input.addEventListener("input", () => {
        words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
        refresh();
        told.textContent = `${words.length ? `${shown.length} of ` : ""}${count} rows`;
      });
    }
    // The rows of a static table are in the page already.
    if (count > ALL_ROWS || !body.rows.length) refresh();

    return {
      show,
      reveal: (index) => {
        const place = shown.indexOf(index);
        if (place < 0) return;
        const head = table.tHead.offsetHeight;
        const tall = height || body.offsetHeight / Math.max(1, body.rows.length);
        const [top, room] = [place * tall, scroll.clientHeight - head];
        if (top < scroll.scrollTop || top + tall > scroll.scrollTop + room - tall) {
          scroll.scrollTop = Math.max(0, top - room / 2);
        }
      },
    };
  }

  labelx.table = (box, { caption, columns, rows, row, select }) => {
    let marked = null;
    const cell = (value, { step }) => (step ? labelx.number(value, step) : String(value ?? "n/a"));
    const texts = (index) => rows[index].map((value, i) => cell(value, columns[i]));
    // Widths are those of the longest texts, or they would change with the rows in the page.
    const head = element("tr", {}, ...columns.map(({ name, step }, i) => {
      const made = element("th", { scope: "col", className: step ? "number" : "" }, name);
      const lengths = rows.map((one) => cell(one[i], columns[i]).length);
      const longest = lengths.reduce((most, one) => Math.max(most, one), 0);
      made.style.minWidth = `calc(${Math.min(60, longest)}ch + 1.5rem)`;
      return made;
    }));
    const node = (index) => {
      const { href, className = "", title = "" } = row?.(index) ?? {};
      const made = element("tr", { className, title });
      made.dataset.index = index;
      texts(index).forEach((text, i) => {
        const name = i ? "td" : "th";
        let content = text;
        if (!i && href) content = element("a", { href }, text);
        else if (!i && select) content = element("button", { className: "link" }, text);
        const one = element(name, { className: columns[i].step ? "number" : "" }, content);
        if (!i) one.scope = "row";
        made.append(one);
      });
      if (index === marked) made.setAttribute("aria-selected", "true");
      return made;
    };
    const body = element("tbody");
    const table = element("table", { className: "drawn" },
      element("caption", {}, caption), element("thead", {}, head), body);
    const scroll = element("div", { className: "scroll", role: "region", tabIndex: 0 }, table);
    scroll.setAttribute("aria-label", caption);
    const whole = element("div", {}, scroll);
    box.append(whole);
    const served = serve(scroll, table, { count: rows.length, node, texts });
    if (select) {
      body.classList.add("choice");
      body.addEventListener("click", (event) => {
        const clicked = event.target.closest("tr")?.dataset.index;
        if (clicked !== undefined) select(Number(clicked));
      });
    }
    return {
      element: whole,
      mark: (index) => {
        marked = index;
        if (index !== null) served.reveal(index);
        const focused = body.contains(document.activeElement)
          && document.activeElement.closest("tr").dataset.index;
        served.show();
        if (focused) body.querySelector(`tr[data-index="${focused}"] :is(a, button)`)?.focus();
      },
    };
  };

  labelx.served = new WeakMap();
  function serveStatic() {
    for (const table of document.querySelectorAll(".scroll > table:not(.drawn)")) {
      const rows = [...table.tBodies[0].rows];
      const words = rows.map(() => null);
      const texts = (i) => (words[i] ??= Array.from(rows[i].cells, (one) => one.textContent));
      const options = { count: rows.length, node: (i) => rows[i], texts };
      labelx.served.set(table, { rows, ...serve(table.parentElement, table, options) });
    }
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", serveStatic);
  else serveStatic();
})();
