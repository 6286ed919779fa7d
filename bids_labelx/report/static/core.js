// What all pages share. Adds to the one global object, `labelx`:
//
//   element(tag, properties, ...children)   a new element; unknown properties become attributes
//   load(src)          Promise of the object that a data script hands to `labelx.take("…", n)`,
//                      see pictures/packing.py; asked for once per src; a missing file is told
//   url(path)          a relative path, as it is on disk, as a link
//   unpack(packed)     Promise of {shape, values: Float32Array, step}; NaN where nothing is
//   whole(object)      Promise of a copy of an object with all its packed arrays unpacked
//   square(values, n)  an n × n Float32Array from an upper triangle with its diagonal
//   number(value, step)  text with just the decimals of step; "n/a" where nothing is
//   colours            256 colours each, 768 bytes: RdBu_r, cividis, YlOrRd, gray
//   palette            colours of labels (Okabe and Ito's); vermillion is kept for what is missing
//   colourOf(table, limits, value)   [red, green, blue], as matplotlib rounds it
//   rgb("#rrggbb")     [red, green, blue]
//   address.read()     {key: value} of `#key=value&…`, or null at another anchor
//   address.write({…}, replace)      a new entry of the history, or the same one
//   address.listen(f)  f(state) when back, forward or a link change it; {} without an anchor
//   tip.show(text, x, y), tip.hide()   the tooltip, at a point of the window
//   tip.say(text)      reads it out
//   counted(n, word)   text: 1 run, 2 runs
//   complain(text)     a message at the top of the page
(() => {
  "use strict";
  const labelx = (window.labelx = {});

  labelx.element = (tag, properties = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(properties)) {
      if (key in made) made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };
  const { element } = labelx;

  // ---- Data scripts ----

  const loaded = new Map();
  const waiting = new Map();

  // Begun with a dot, no path is taken for that of another place.
  labelx.url = (path) => `./${path.split("/").map(encodeURIComponent).join("/")}`;

  labelx.take = (units, count) =>
    waiting.get(document.currentScript)?.(open(bytesOf(units, count)));

  /** The bytes that a string has in 15 bits of each of its units. */
  function bytesOf(units, count) {
    const bytes = new Uint8Array(count);
    for (let i = 0, at = 0, held = 0, bits = 0; at < count; i += 1) {
      held = (held << 15) | (units.charCodeAt(i) - 0x100);
      for (bits += 15; bits >= 8 && at < count; at += 1) {
        bits -= 8;
        bytes[at] = held >> bits;
      }
      held &= (1 << bits) - 1;
    }
    return bytes;
  }

  async function inflate(bytes) {
    const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(inflated).arrayBuffer());
  }

  /** Content with its arrays, which come after it. */
  async function open(bytes) {
    const whole = await inflate(bytes);
    const end = whole.indexOf(0);
    return JSON.parse(new TextDecoder().decode(whole.subarray(0, end)), (key, value) => {
      if (value?.shape && typeof value.data === "number") {
        value.data = whole.subarray(end + 1 + value.data);
      }
      return value;
    });
  }

  labelx.load = (src) => {
    if (!loaded.has(src)) {
      loaded.set(src, new Promise((resolve, reject) => {
        const script = element("script", { src: labelx.url(src) });
        const fail = () => {
          const text = `Data of this page cannot be read: ${src}`;
          labelx.complain(text);
          reject(new Error(text));
        };
        waiting.set(script, (content) => {
          waiting.delete(script);
          content.then(resolve, fail);
        });
        script.onerror = fail;
        script.onload = () => waiting.has(script) && fail();
        document.head.append(script);
      }));
    }
    return loaded.get(src);
  };

  const TYPES = { int8: Int8Array, int16: Int16Array, uint8: Uint8Array, uint16: Uint16Array };
  const MISSING = { int8: -128, int16: -32768 };
  const unpacked = new WeakMap();

  labelx.unpack = (packed) => {
    if (!unpacked.has(packed)) unpacked.set(packed, unpack(packed));
    return unpacked.get(packed);
  };

  async function unpack({ shape, type, step, delta, data }) {
    // In a page's own JSON they are deflated one by one.
    const bytes = typeof data === "string"
      ? await inflate(Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)))
      : data;
    const count = shape.reduce((product, one) => product * one, 1);
    const size = count * TYPES[type].BYTES_PER_ELEMENT;
    const integers = new TYPES[type](bytes.slice(0, size).buffer);
    const length = shape[shape.length - 1];
    if (delta) {
      // Stored in the array, sums stay within its range.
      for (let i = 0; i < integers.length; i += 1) {
        if (i % length) integers[i] += integers[i - 1];
      }
    }
    const values = Float32Array.from(integers, (one) => (one === MISSING[type] ? NaN : one * step));
    return { shape, values, step };
  }

  labelx.whole = async (value) => {
    if (value === null || typeof value !== "object") return value;
    if (value.shape && value.data !== undefined) return labelx.unpack(value);
    if (Array.isArray(value)) {
      return typeof value[0] === "object" ? Promise.all(value.map(labelx.whole)) : value;
    }
    const keys = Object.keys(value);
    const values = await Promise.all(keys.map((key) => labelx.whole(value[key])));
    return Object.fromEntries(keys.map((key, i) => [key, values[i]]));
  };

  labelx.square = (values, size) => {
    const whole = new Float32Array(size * size);
    for (let i = 0, k = 0; i < size; i += 1) {
      for (let j = i; j < size; j += 1, k += 1) whole[i * size + j] = whole[j * size + i] = values[k];
    }
    return whole;
  };

  labelx.number = (value, step) => {
    if (value === null || value === undefined || Number.isNaN(value)) return "n/a";
    const [digits, exponent = "0"] = String(step).split("e");
    const decimals = Math.max(0, (digits.split(".")[1] ?? "").length - Number(exponent));
    // An array has values of large steps only nearly.
    const text = (step > 1 ? step * Math.round(value / step) : value).toFixed(decimals);
    return Number(text) === 0 ? text.replace("-", "") : text;
  };

  // ---- Colours ----

  const TABLES = {
    RdBu_r: "BTBhBjJjBzRmCDZpCThsCjpvCzxyDD51DUB4DkN7D0V+EUeBEkmEE0uHFE2KFU+NFlGQF1STGFaVGViYGlqbHFyeHV6hHmCkH2KnIGSqIWasI2itJGquJWyvJ22wKG+wKXGxK3OyLHWzLXa0L3i1MHq2MXy3M324NH+5NYG5N4O6OIS7OYa8O4i9PIq+PYu/P43AQI/BQZHCQ5PDRpTESZbFTJjGT5rHUpzIVZ7JWKDKW6LLXqTMYabNZajOaKrPa6zQbq7RcbDSdLLTd7TVerbWfbjXgLrYhLzZh77aisDbjcLckMTdk8XelcbfmMjfmsngncrhn8vhos3ipM7jp8/kqdDkq9LlrtPmsNTms9XntdfouNjoutnpvdrqv9zrwt3rxN7sx9/tyeHtzOLuzuPv0eXw0uXw0+bw1efw1ufx2Ojx2enx2+nx3Ory3uvy3+zy4ezz4u3z5O7z5e7z5+/06PD06vH06/H07fL17vP18PP18fT28/X29PX29vb29/b29/X09/Ty9/Pw+PLu+PDs+O/q+O7o+e3n+ezl+evj+erh+enf+ujd+ufb+uXZ+uTX++PW++LU++HS++DQ/N/O/N7M/N3K/NzI/dvH/NjE/NbB+9S++9K8+9C5+s62+sy0+sqx+ceu+cWr+cOp+MGm+L+j+L2h97ue97mb97eZ9rSW9rKT9bCQ9a6O9ayL9KqI9KiG9KaD86OA8qB+8Z5875t67ph47ZZ27JN065By6o5w6Itu54hs5oVq5YNo5IBl4n1j4Xth4Hhf33Vd3nJb3XBZ221X2mpV2WhT2GVR12JP1mBN1F1L01pK0VdJ0FRHzlFGzU9FzExDyklCyUZBx0M/xkA+xT48wzs7wjg6wDU4vzI3vjA2vC00uyozuScyuCQxtiEvtR8utBwtshkrsBcqrRYqqhUppxQppBMooRIonhEnmxAnmRAnlg8mkw4mkA0ljQwligskhwokhAkjgQgjfgciewYieAUhdQQhcgMgbwIgbAEfaQAfZwAf",
    cividis: "ACJNACNPACNQACRSACVUACZVACZXACdZAChbAChcACleACpgACpiACtkACxmACxnAC1pAC5rAC9tAC9vADBwADBwADFwADFwBDJwCDNwCzNwDjRwETVvFDZvFjZvGDdvGjhvHDhuHTluHzpuITtuIjtuJDxuJT1tJz1tKD5tKj9tKz9tLEBtLkFsL0JsMEJsMUNsMkRsNERsNUVsNkZsN0ZsOEdsOUhsOkhrO0lrPUprPktrP0trQExrQU1rQk1rQ05rRE9rRU9rRlBrR1FrSFFrSVJrSlNrS1RsTFRsTVVsTlZsTlZsT1dsUFhsUVhsUllsU1psVFpsVVttVlxtV11tWF1tWV5tWV9tWl9tW2BuXGFuXWFuXmJuX2NuYGRuYWRvYWVvYmZvY2ZvZGdvZWhwZmlwZ2lwaGpwaGtxaWtxamxxa21xbG1ybW5ybm9ybnBzb3BzcHFzcXJzcnN0c3N0dHR1dHV1dXV1dnZ2d3d2eHh2eXh3eXl3enp3e3t3fHt4fXx4fn14f314gH54gX94goB4g4B4hIF4hYJ4hYN4hoN4h4R4iIV4iYZ4ioZ4i4d4jIh4jYl4jol4j4p3kIt3kYx3kox3k413lI53lY93lo93l5B2mJF2mZJ2mpN2m5N2nJR2nZV1npZ1n5Z1oJd1oZh0opl0o5p0pJp0pZtzppxzp51zqJ5zqZ5yqp9yq6ByrKFxraJxrqJxr6NwsKRwsaVwsqZvs6ZvtKdvtahutqlut6ptuKttuattuqxsu61svK5rva9rvrBqv7BqwbFpwrJpw7NoxLRoxbVnxrVnx7ZmyLdlybhlyrlky7pkzLtjzbxizrxiz71h0L5g0r9g08Bf1MFe1cJe1sNd18Nc2MRb2cVa2sZa28dZ3MhY3slX38pW4MtV4cxU4sxT481S5M5R5c9Q5tBP6NFO6dJN6tNM69RL7NVK7dZI7tdH79hG8dlE8tpD89pC9NtA9dw/9t09+N47+d86+uA4++E2/eI0/eMz/eU0/eY2/ec3",
    YlOrRd: "///M//7K//3J//3H//zG//zF//vD//vC//rA//m///m+//i8//i7//e6//e4//a3//W1//W0//Sz//Sx//Ow//Ov//Kt//Ks//Gq//Cp//Co/++m/++l/+6j/+6i/+2h/uyf/uye/uud/uub/uqa/umZ/umX/uiW/ueV/ueT/uaS/uaR/uWQ/uSO/uSN/uOM/uKK/uKJ/uGI/uGG/uCF/t+E/t+C/t6B/t2A/t1+/tx9/tt8/tt6/tp5/tp4/tl2/th1/td0/tZz/tVx/tNw/tJv/tFt/tBs/s5r/s1p/sxo/stn/spl/shk/sdj/sZh/sVg/sNf/sJd/sFc/sBb/r9a/r1Y/rxX/rtW/rpU/rhT/rdS/rZQ/rVP/rNO/rJM/bFL/bBL/a9K/a5K/axJ/atJ/apI/alI/ahH/adH/aVG/aRG/aNF/aJF/aFE/aBE/Z5D/Z1D/ZxC/ZtC/ZpB/ZlB/ZhA/ZZA/ZU//ZQ//ZM+/ZI+/ZE9/Y89/Y48/Y08/Iw7/Io7/Ig6/IY6/IQ5/II4/IA4/H43/Hw3/Ho2/Hg2/HY1/HQ0/HI0/HAz/G4z/Gwy/Goy/Ggx/GYw/GQw/GIv/GAv/F4u/Fwu/Fot/Fgt/FYs/FQr/FIr/FAq/E4q+0wp+ksp+Uko+Ugo+EYn90Qn9kMn9kEm9T8m9D4l8zwl8jsk8jkk8Tck8DYj7zQj7jIi7jEi7S8h7C0h6ywg6yog6ikg6Scf6CUf5yQe5yIe5iAd5R8d5B0c4xwc4xoc4hkc4Bgc3xcc3hYd3RYd3BUd2hQe2RMe2BIe1xIf1hEf1BAf0w8g0g4g0Q0g0A0gzwwhzQshzAohywkiygkiyQgixwcjxgYjxQUjxAQkwwQkwQMkwAIlvwElvgAlvQAluwAmuQAmtwAmtQAmswAmsQAmrwAmrQAmrAAmqgAmqAAmpgAmpAAmogAmoAAmngAmnAAmmgAmmAAmlgAmlQAmkwAmkQAmjwAmjQAmiwAmiQAmhwAmhQAmgwAmgQAmgAAm",
    gray: "AAAAAQEBAgICAwMDBAQEBQUFBgYGBwcHCAgICQkJCgoKCwsLDAwMDQ0NDg4ODw8PEBAQEREREhISExMTFBQUFRUVFhYWFxcXGBgYGRkZGhoaGxsbHBwcHR0dHh4eHx8fICAgICAgIiIiIyMjJCQkJCQkJiYmJycnKCgoKCgoKioqKysrLCwsLCwsLi4uLy8vMDAwMDAwMjIyMzMzNDQ0NDQ0NjY2Nzc3ODg4ODg4Ojo6Ozs7PDw8PDw8Pj4+Pz8/QEBAQUFBQUFBQ0NDRERERUVFRkZGR0dHSEhISUlJSUlJS0tLTExMTU1NTk5OT09PUFBQUVFRUVFRU1NTVFRUVVVVVlZWV1dXWFhYWVlZWVlZW1tbXFxcXV1dXl5eX19fYGBgYWFhYWFhY2NjZGRkZWVlZmZmZ2dnaGhoaWlpaWlpa2trbGxsbW1tbm5ub29vcHBwcXFxcXFxc3NzdHR0dXV1dnZ2d3d3eHh4eXl5eXl5e3t7fHx8fX19fn5+f39/gICAgYGBgoKCg4ODg4ODhYWFhoaGh4eHiIiIiYmJioqKi4uLjIyMjY2Njo6Oj4+PkJCQkZGRkpKSk5OTk5OTlZWVlpaWl5eXmJiYmZmZmpqam5ubnJycnZ2dnp6en5+foKCgoaGhoqKio6Ojo6OjpaWlpqamp6enqKioqampqqqqq6urrKysra2trq6ur6+vsLCwsbGxsrKys7Ozs7OztbW1tra2t7e3uLi4ubm5urq6u7u7vLy8vb29vr6+v7+/wMDAwcHBwsLCw8PDw8PDxcXFxsbGx8fHyMjIycnJysrKy8vLzMzMzc3Nzs7Oz8/P0NDQ0dHR0tLS09PT09PT1dXV1tbW19fX2NjY2dnZ2tra29vb3Nzc3d3d3t7e39/f4ODg4eHh4uLi4+Pj4+Pj5eXl5ubm5+fn6Ojo6enp6urq6+vr7Ozs7e3t7u7u7+/v8PDw8fHx8vLy8/Pz8/Pz9fX19vb29/f3+Pj4+fn5+vr6+/v7/Pz8/f39/v7+////",
  };
  labelx.colours = {};
  for (const [name, text] of Object.entries(TABLES)) {
    labelx.colours[name] = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }
  labelx.palette = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];
  labelx.vermillion = "#d55e00";
  labelx.noValue = "#bdbdbd";
  labelx.rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const grey = labelx.rgb(labelx.noValue);

  labelx.colourOf = (table, [low, high], value) => {
    if (Number.isNaN(value)) return grey;
    const share = Math.floor(((value - low) / (high - low)) * 256);
    const at = 3 * Math.max(0, Math.min(255, share));
    return table.subarray(at, at + 3);
  };

  // ---- The address ----

  labelx.address = {
    read: () => {
      const text = location.hash.slice(1);
      return text.includes("=") ? Object.fromEntries(new URLSearchParams(text)) : null;
    },
    write: (state, replace = false) => {
      const known = Object.entries(state).filter(([, value]) => value);
      const hash = `#${new URLSearchParams(known)}`;
      if (hash === location.hash) return;
      history[replace ? "replaceState" : "pushState"](null, "", hash);
    },
    listen: (change) => window.addEventListener("hashchange", () => {
      const state = location.hash ? labelx.address.read() : {};
      if (state) change(state);
    }),
  };

  // ---- Tooltip and messages ----

  const tip = element("div", { className: "tip", ariaHidden: "true", hidden: true });
  const spoken = element("div", { className: "unseen", role: "status" });
  const attach = () => tip.isConnected || document.body.append(tip, spoken);
  labelx.tip = {
    show: (text, x, y) => {
      if (!text) return labelx.tip.hide();
      attach();
      tip.textContent = text;
      tip.hidden = false;
      const most = document.documentElement.clientWidth - tip.offsetWidth - 4;
      const above = y - tip.offsetHeight - 12;
      tip.style.left = `${Math.max(4, Math.min(x + 12, most))}px`;
      tip.style.top = `${above >= 4 ? above : y + 20}px`;
    },
    hide: () => {
      tip.hidden = true;
    },
    say: (text) => {
      attach();
      spoken.textContent = text;
    },
  };
  window.addEventListener("keydown", (event) => event.key === "Escape" && labelx.tip.hide());
  window.addEventListener("scroll", labelx.tip.hide, { capture: true, passive: true });

  // A count with its noun in the singular or plural.
  labelx.counted = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

  labelx.complain = (text) => {
    const box = element("p", { className: "failure", role: "alert", textContent: text });
    (document.querySelector("main") ?? document.body).prepend(box);
  };
})();
