// A picture of cells on a canvas, and its colour bar. Adds to `labelx`:
//
//   heat(box, options)   appends the picture to an element. Options, all but the first optional:
//     rows, columns      number of cells
//     label              what the picture is, for screen readers
//     height | ratio     height in pixels, or width / height of the whole (default: square cells)
//     tip(row, column)   text of a cell; without one it has no tip and the keyboard passes it
//     group(row, column) the keyboard jumps to the next cell of another group (a region, say)
//     select(row, column), clear()       a click, tap, Enter; Escape
//     zoom([from, to])   wants these columns shown (drag, ctrl and wheel, + - 0, the cursor)
//     left, below        names at the edges: [[first, count, text], …] of rows, of columns
//     leftWidth          CSS length of the left edge; as wide as the longest name by default
//     lines              {rows: […], columns: […]}: a line before each of these positions
//   It returns {paint, mark, view}; what is not painted is transparent:
//     paint({values, table, limits, hatch})   Float32Array row by row; or with `pixels`, RGBA, in
//                        the place of values, table and limits; hatch: Uint8Array, 1 where hatched
//     mark({rows, columns, cells, point})     outlines rows, columns, cells (Uint8Array, 1 inside)
//                        and a point [row, column], fractions of cells allowed; {} removes them
//     view([from, to])   shows these columns alone
//
//   colourBar(box, {table, limits, label, none})   none: in words, what grey cells are
//   zoomed([from, to], factor, centre, count)      a range of columns, closer or further away
(() => {
  "use strict";
  const { element, tip } = labelx;
  const KEYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const LEAST = 8; // Columns that are always in view.
  const NAME = 13; // Pixels between two names.

  labelx.zoomed = ([from, to], factor, centre, count) => {
    const wanted = Math.max(Math.min(LEAST, count), Math.round((to - from) * factor));
    const width = Math.min(count, wanted);
    const share = (centre - from) / (to - from);
    const first = Math.round(Math.max(0, Math.min(count - width, centre - share * width)));
    return [first, first + width];
  };

  /** A canvas with one pixel per cell. */
  function cellsOf({ values, table, limits, pixels }, rows, columns) {
    const canvas = element("canvas", { width: columns, height: rows });
    const image = new ImageData(columns, rows);
    if (pixels) image.data.set(pixels);
    else {
      for (let i = 0; i < values.length; i += 1) {
        image.data.set(labelx.colourOf(table, limits, values[i]), 4 * i);
        image.data[4 * i + 3] = 255;
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  /** The border of a set of cells, as a path in units of cells. */
  function borderOf(inside, rows, columns) {
    const path = new Path2D();
    const at = (r, c) =>
      r >= 0 && c >= 0 && r < rows && c < columns && Boolean(inside[r * columns + c]);
    for (let r = 0; r <= rows; r += 1) {
      for (let c = 0; c <= columns; c += 1) {
        const here = at(r, c);
        if (here !== at(r - 1, c)) path.moveTo(c, r), path.lineTo(c + 1, r);
        if (here !== at(r, c - 1)) path.moveTo(c, r), path.lineTo(c, r + 1);
      }
    }
    return path;
  }

  function hatched(inside, columns) {
    const path = new Path2D();
    inside.forEach((one, i) => one && path.rect(i % columns, Math.floor(i / columns), 1, 1));
    return path;
  }

  labelx.heat = (box, options) => {
    const { rows, columns } = options;
    const canvas = element("canvas", { className: "cells", tabIndex: 0, role: "application" });
    canvas.setAttribute("aria-label", `${options.label}. Arrow keys move from cell to cell.`);
    canvas.style.cssText = options.height
      ? `height:${options.height}px` : `aspect-ratio:${options.ratio ?? columns / rows}`;
    const frame = element("div", { className: "heat" }, canvas);
    const names = {};
    for (const side of ["left", "below"]) {
      if (options[side]) frame.append((names[side] = edge(side, options)));
    }
    box.append(frame);

    let range = [0, columns];
    let cells = null;
    let hatch = null;
    let marks = {};
    let cursor = null;
    let drag = null;

    function draw() {
      const scale = window.devicePixelRatio || 1;
      const sides = [canvas.clientWidth, canvas.clientHeight];
      const [width, height] = sides.map((n) => Math.round(n * scale));
      if (!width || !height) return;
      if (canvas.width !== width) canvas.width = width;
      if (canvas.height !== height) canvas.height = height;
      const context = canvas.getContext("2d");
      const [from, to] = range;
      const [x, y] = [width / (to - from), height / rows];
      context.clearRect(0, 0, width, height);
      // Of cells smaller than a pixel the mean is drawn, larger ones have sharp borders.
      context.imageSmoothingEnabled = x < 1 || y < 1;
      context.imageSmoothingQuality = "high";
      if (cells) context.drawImage(cells, from, 0, to - from, rows, 0, 0, width, height);
      const placed = (path) => {
        const moved = new Path2D();
        moved.addPath(path, new DOMMatrix([x, 0, 0, y, -from * x, 0]));
        return moved;
      };
      const stroke = (path, thick = 2) => {
        for (const [colour, extra] of [["#ffffff", 2], ["#000000", 0]]) {
          context.strokeStyle = colour;
          context.lineWidth = (thick + extra) * scale;
          context.stroke(path);
        }
      };
      const rectangle = (row, column, high, wide) => {
        const path = new Path2D();
        path.rect((column - from) * x, row * y, wide * x, high * y);
        return path;
      };
      if (hatch) {
        context.save();
        context.clip(placed(hatch.area));
        context.strokeStyle = labelx.vermillion;
        context.lineWidth = 1.5 * scale;
        context.beginPath();
        for (let at = -height; at < width; at += 5 * scale) {
          context.moveTo(at, 0);
          context.lineTo(at + height, height);
        }
        context.stroke();
        context.restore();
        context.strokeStyle = labelx.vermillion;
        context.lineWidth = 1.5 * scale;
        context.stroke(placed(hatch.border));
      }
      context.fillStyle = "#000000";
      const thin = Math.max(1, Math.round(scale / 2));
      for (const row of options.lines?.rows ?? []) {
        context.fillRect(0, Math.round(row * y), width, thin);
      }
      for (const column of options.lines?.columns ?? []) {
        context.fillRect(Math.round((column - from) * x), 0, thin, height);
      }
      for (const row of marks.rows ?? []) stroke(rectangle(row, from, 1, to - from), 1);
      for (const column of marks.columns ?? []) stroke(rectangle(0, column, rows, 1), 1);
      if (marks.border) stroke(placed(marks.border));
      if (marks.point) {
        const [row, column] = marks.point;
        const path = new Path2D();
        path.arc((column - from) * x, row * y, 4 * scale, 0, 2 * Math.PI);
        stroke(path);
      }
      if (cursor) stroke(rectangle(cursor[0], cursor[1], 1, 1));
      if (drag?.moved) {
        context.fillStyle = "rgba(11, 87, 164, 0.35)";
        context.fillRect(drag.start * scale, 0, (drag.now - drag.start) * scale, height);
      }
    }

    const within = (row, column) =>
      row >= 0 && row < rows && column >= range[0] && column < range[1];
    const textAt = (row, column) => options.tip?.(row, column) ?? "";
    const groupAt = (row, column) => options.group?.(row, column) ?? `${row} ${column}`;

    function cellAt(event) {
      const shown = canvas.getBoundingClientRect();
      const row = Math.floor(((event.clientY - shown.y) / shown.height) * rows);
      const share = (event.clientX - shown.x) / shown.width;
      const column = Math.floor(range[0] + share * (range[1] - range[0]));
      return within(row, column) ? [row, column] : null;
    }

    function point(event) {
      const cell = cellAt(event);
      tip.show(cell ? textAt(...cell) : "", event.clientX, event.clientY);
      return cell;
    }

    function moveTo(cell) {
      cursor = cell;
      const [from, to] = range;
      const ahead = cell[1] < from ? cell[1] - from : Math.max(0, cell[1] - to + 1);
      if (ahead) options.zoom?.([from + ahead, to + ahead]);
      draw();
      const shown = canvas.getBoundingClientRect();
      const wide = shown.width / (range[1] - range[0]);
      const text = textAt(...cell);
      const [x, y] = [(cell[1] + 1 - range[0]) * wide, (cell[0] * shown.height) / rows];
      tip.show(text, shown.x + x, shown.y + y);
      tip.say(text);
    }

    /** The cell with a text that is nearest to the middle of what is in view. */
    function middle() {
      const half = [Math.floor((rows - 1) / 2), Math.floor((range[0] + range[1] - 1) / 2)];
      if (textAt(...half)) return half;
      let [best, least] = [null, Infinity];
      for (let row = 0; row < rows; row += 1) {
        for (let column = range[0]; column < range[1]; column += 1) {
          const far = Math.hypot(row + 0.5 - rows / 2, column + 0.5 - (range[0] + range[1]) / 2);
          if (far < least && textAt(row, column)) [best, least] = [[row, column], far];
        }
      }
      return best;
    }

    function next([row, column], [down, right]) {
      const before = groupAt(row, column);
      let cell = [row + down, column + right];
      const exists = () => cell[0] >= 0 && cell[0] < rows && cell[1] >= 0 && cell[1] < columns;
      for (; exists(); cell = [cell[0] + down, cell[1] + right]) {
        if (textAt(...cell) && groupAt(...cell) !== before) return cell;
      }
      return [row, column];
    }

    function leave() {
      cursor = null;
      tip.hide();
      draw();
    }

    canvas.addEventListener("pointermove", (event) => {
      if (drag) {
        drag.now = event.clientX - canvas.getBoundingClientRect().x;
        drag.moved ||= Math.abs(drag.now - drag.start) > 4;
        if (drag.moved) draw();
      }
      if (drag?.moved) tip.hide();
      else point(event);
    });
    // A lifted finger leaves its tip.
    canvas.addEventListener("pointerleave", (event) => event.pointerType === "touch" || tip.hide());
    canvas.addEventListener("pointerdown", (event) => {
      if (!options.zoom || event.button) return;
      drag = { start: event.clientX - canvas.getBoundingClientRect().x, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointercancel", () => {
      drag = null;
      draw();
    });
    canvas.addEventListener("click", (event) => {
      const dragged = drag?.moved ? [drag.start, drag.now].sort((a, b) => a - b) : null;
      drag = null;
      if (dragged) {
        const [from, to] = range;
        const shares = dragged.map((x) => Math.max(0, Math.min(1, x / canvas.clientWidth)));
        const [first, last] = shares.map((share) => from + share * (to - from));
        const ends = [Math.floor(first), Math.ceil(last)];
        if (ends[1] - ends[0] < LEAST) ends[1] = Math.min(columns, ends[0] + LEAST);
        options.zoom(ends);
        return;
      }
      const cell = point(event);
      if (!cell) return;
      cursor = null;
      if (textAt(...cell)) options.select?.(...cell);
    });
    canvas.addEventListener("wheel", (event) => {
      if (!options.zoom || !event.ctrlKey) return;
      event.preventDefault();
      const column = cellAt(event)?.[1] ?? (range[0] + range[1]) / 2;
      options.zoom(labelx.zoomed(range, event.deltaY > 0 ? 1.25 : 0.8, column, columns));
    }, { passive: false });
    canvas.addEventListener("blur", leave);
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const factor = { "+": 0.5, "=": 0.5, "-": 2, 0: Infinity }[event.key];
      if (event.key in KEYS) {
        const cell = cursor ? next(cursor, KEYS[event.key]) : middle();
        if (cell) moveTo(cell);
      } else if (factor && options.zoom) {
        const centre = cursor?.[1] ?? (range[0] + range[1]) / 2;
        options.zoom(labelx.zoomed(range, factor, centre, columns));
      } else if ((event.key === "Enter" || event.key === " ") && cursor) {
        options.select?.(...cursor);
      } else if (event.key === "Escape") {
        leave();
        options.clear?.();
      } else return;
      event.preventDefault();
    });

    new ResizeObserver(() => {
      draw();
      Object.values(names).forEach(spread);
    }).observe(canvas);

    return {
      paint: (content) => {
        cells = cellsOf(content, rows, columns);
        const inside = content.hatch;
        hatch = inside?.some(Boolean)
          ? { area: hatched(inside, columns), border: borderOf(inside, rows, columns) } : null;
        draw();
      },
      mark: (wanted) => {
        marks = { ...wanted, border: wanted.cells && borderOf(wanted.cells, rows, columns) };
        draw();
      },
      view: (wanted) => {
        range = wanted;
        draw();
      },
    };
  };

  // ---- Names at the edges ----

  function edge(side, options) {
    const count = side === "left" ? options.rows : options.columns;
    const longest = Math.max(...options[side].map(([, , text]) => text.length));
    const made = element("div", { className: `names ${side}`, ariaHidden: "true" });
    const length = (side === "left" && options.leftWidth) || `min(${longest + 1}ch, var(--names))`;
    made.style[side === "left" ? "width" : "height"] = length;
    for (const [first, size, text] of options[side]) {
      const middle = ((first + size / 2) / count) * 100;
      const name = element("span", { textContent: text });
      name.style[side === "left" ? "top" : "left"] = `${middle}%`;
      Object.assign(name.dataset, { middle, size });
      name.addEventListener("pointermove", (event) => tip.show(text, event.clientX, event.clientY));
      name.addEventListener("pointerleave", tip.hide);
      made.append(name);
    }
    return made;
  }

  /** Hide the names that have no room, those of few rows first. */
  function spread(edge) {
    const length = Math.max(edge.clientHeight * edge.classList.contains("left"),
      edge.clientWidth * edge.classList.contains("below"));
    const kept = [];
    for (const name of [...edge.children].sort((a, b) => b.dataset.size - a.dataset.size)) {
      const middle = (name.dataset.middle / 100) * length;
      name.hidden = kept.some((other) => Math.abs(other - middle) < NAME);
      if (!name.hidden) kept.push(middle);
    }
  }

  labelx.colourBar = (box, { table, limits, label, none }) => {
    const ramp = element("canvas", { width: 256, height: 1, ariaHidden: "true" });
    const pixels = ramp.getContext("2d").createImageData(256, 1);
    for (let i = 0; i < 256; i += 1) {
      pixels.data.set([...table.subarray(3 * i, 3 * i + 3), 255], 4 * i);
    }
    ramp.getContext("2d").putImageData(pixels, 0, 0);
    const [low, high] = limits;
    const ticks = [low, (low + high) / 2, high]
      .map((value) => element("span", {}, String(+value.toPrecision(3))));
    const bar = element("div", { className: "bar" }, element("span", {}, label),
      element("div", {}, ramp, element("div", { className: "ticks" }, ...ticks)));
    if (none) bar.append(element("span", { className: "none" }, none));
    box.append(bar);
    return bar;
  };
})();
