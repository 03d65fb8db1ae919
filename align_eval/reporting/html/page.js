"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const n = data.text.length;
  const MS = 10, S = 10000, LONG_S = 60, PRINTED = 40; // times are integers in tenths of a millisecond
  const state = { a: data.pair[0], b: data.pair[1], order: "a", down: true, shown: [], here: -1, open: -1 };
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // ---- figures of a word --------------------------------------------------------------------------------------------
  const NONE = -Infinity;
  const errors = (system, i) => (system === null ? [null, null] : [data.errors[system][0][i], data.errors[system][1][i]]);
  const mean = (x, y) => (x === null ? y : y === null ? x : (x + y) / 2); // of those that are not null
  const size = (x) => (x === null ? null : Math.abs(x));
  const inMs = (x) => (x === null ? null : x / MS);
  const distance = (x, y) => (x === null || y === null ? null : Math.abs(x - y));
  const columns = new Map(); // one number per word, computed once for each system or pair
  function column(name, of) {
    if (!columns.has(name)) columns.set(name, Array.from({ length: n }, (_, i) => of(i)));
    return columns.get(name);
  }
  const off = (system, i) => (system === null ? null : column(system, (j) => inMs(mean(...errors(system, j).map(size))))[i]);
  const apart = (i) => {
    const { a, b } = state;
    if (a === null || b === null) return null;
    return column(`${a} ${b}`, (j) => { const one = errors(a, j), other = errors(b, j); return inMs(mean(distance(one[0], other[0]), distance(one[1], other[1]))); })[i];
  };
  const cut = (system, i) => { const [s, e] = errors(system, i); return [s === null ? null : data.start[i] + s, e === null ? null : data.end[i] + e]; };
  const utterance = (i) => data.utterances[data.utterance[i]];
  const NOTHING = { maps: {} };
  const packs = new Map([...document.querySelectorAll("script.media")].map((e) => [e.dataset.utterance, e])), read = new Map();
  function media(id) { // parsed at first use: parsing all of it at once would block the page
    if (!read.has(id)) read.set(id, packs.has(id) ? JSON.parse(packs.get(id).textContent) : []);
    return read.get(id);
  }
  function mediaOf(i) { // spectrogram, maps and sound of a word; in a long utterance, those of the stretch that holds it most centrally
    const start = (data.start[i] - utterance(i).offset) / S, end = (data.end[i] - utterance(i).offset) / S;
    const depth = (part) => Math.min(start - part.from, part.to - end);
    const parts = media(utterance(i).id);
    if (parts.length === 1 && parts[0].from === 0 && parts[0].to >= utterance(i).duration / S - 1e-3) return parts[0];
    return parts.filter((part) => depth(part) >= 0).sort((x, y) => depth(y) - depth(x))[0] ?? NOTHING;
  }
  const bounds = (i) => { const m = mediaOf(i), duration = utterance(i).duration / S; return m === NOTHING ? (duration > LONG_S ? [Math.max(0, (data.start[i] - utterance(i).offset) / S - 10), Math.min(duration, (data.end[i] - utterance(i).offset) / S + 10)] : [0, duration]) : [m.from, Math.min(m.to, duration)]; };
  const signed = (v) => { const ms = v === null ? null : Math.round(v / MS); return ms === null ? "–" : `${ms < 0 ? "−" : ms > 0 ? "+" : ""}${Math.abs(ms)}`; };
  const plain = (v, digits = 1) => (v === null ? "–" : v.toFixed(digits));
  const speaker = (i) => utterance(i).speaker ?? "";
  const KEYS = {
    text: (i) => column("text", (j) => data.text[j].toLowerCase())[i], utterance: (i) => utterance(i).id, speaker: (i) => speaker(i), start: (i) => data.start[i],
    a: (i) => off(state.a, i), b: (i) => off(state.b, i), apart, rho: (i) => data.rho[i],
  };
  const FALLING = new Set(["a", "b", "apart"]);

  // ---- the table: only visible rows are in the document -------------------------------------------------------------
  const rows = $("rows"), body = $("body");
  document.body.classList.toggle("alone", data.systems.length < 2); // no second system to compare with
  const withRho = Boolean(data.rho);
  if (withRho) $("rho-head").hidden = false;
  let height = 36, printing = false;
  const folded = data.text.map((word, i) => `${word} ${utterance(i).id} ${speaker(i)}`.toLowerCase());

  function select() {
    const find = $("find").value.trim().toLowerCase(), reference = $("reference").value, wanted = $("speaker").value, least = Number($("least").value) || 0;
    const selected = [];
    for (let i = 0; i < n; i++) {
      if (find && !folded[i].includes(find)) continue;
      if (reference && utterance(i).reference !== reference) continue;
      if (wanted && speaker(i) !== wanted) continue;
      if (least && Math.max(off(state.a, i) ?? NONE, off(state.b, i) ?? NONE) < least) continue;
      selected.push(i);
    }
    const key = KEYS[state.order], value = new Map(selected.map((i) => [i, key(i)])), turn = state.down ? -1 : 1;
    selected.sort((i, j) => {
      const x = value.get(i), y = value.get(j);
      if (x === y) return i - j;
      if (x === null) return 1; // missing values come last in either order
      if (y === null) return -1;
      return x < y ? -turn : turn;
    });
    state.shown = selected;
    state.here = selected.length ? 0 : -1;
    rows.scrollTop = 0;
    $("count").textContent = `${selected.length} of ${n} words`;
    for (const th of document.querySelectorAll(".words th")) {
      if (th.firstElementChild.dataset.order === state.order) th.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
    for (const button of document.querySelectorAll(".buttons [data-order]")) button.setAttribute("aria-pressed", String(button.dataset.order === state.order && state.down));
    draw();
  }

  function cell(row, content, classes = "", small = "") {
    const td = row.insertCell();
    td.className = classes;
    td.textContent = content;
    if (small) { const s = document.createElement("small"); s.textContent = small; td.append(s); }
    return td;
  }
  function space(size) {
    const tr = document.createElement("tr"), td = tr.insertCell();
    tr.className = "space"; tr.setAttribute("aria-hidden", "true"); td.style.height = `${size}px`;
    return tr;
  }
  function draw() {
    const total = state.shown.length;
    const first = printing ? 0 : Math.max(0, Math.floor(rows.scrollTop / height) - 5);
    const last = printing ? Math.min(total, PRINTED) : Math.min(total, Math.ceil((rows.scrollTop + rows.clientHeight) / height) + 5);
    const parts = [];
    if (first) parts.push(space(first * height));
    for (let at = first; at < last; at++) {
      const i = state.shown[at], tr = document.createElement("tr"), [as, ae] = errors(state.a, i), [bs, be] = errors(state.b, i);
      tr.className = at === state.here ? "word here" : "word";
      tr.id = `row-${i}`; tr.dataset.at = at; tr.setAttribute("aria-rowindex", at + 2);
      const heard = data.heard && data.heard[i] !== data.text[i] ? ` → ${data.heard[i] ?? "∅"}` : "";
      cell(tr, data.text[i] + heard); cell(tr, utterance(i).id, "wide").title = utterance(i).id; cell(tr, speaker(i), "wide"); cell(tr, plain(data.start[i] / S, 2), "number wide");
      cell(tr, plain(off(state.a, i)), "number", `${signed(as)} / ${signed(ae)}`); cell(tr, plain(off(state.b, i)), "number of-two", `${signed(bs)} / ${signed(be)}`);
      cell(tr, plain(apart(i)), "number of-two");
      if (withRho) cell(tr, plain(data.rho[i], 2), "number wide");
      parts.push(tr);
    }
    if (last < total && !printing) parts.push(space((total - last) * height));
    body.replaceChildren(...parts);
    body.parentElement.setAttribute("aria-rowcount", total + 1);
    if (state.here >= 0) rows.setAttribute("aria-activedescendant", `row-${state.shown[state.here]}`);
  }
  function measure() { const row = body.querySelector(".word"); if (row) { const h = row.getBoundingClientRect().height; if (h && Math.abs(h - height) > 0.5) { height = h; draw(); } } }
  function move(to) {
    if (!state.shown.length) return;
    state.here = Math.max(0, Math.min(state.shown.length - 1, to));
    const head = body.parentElement.tHead.offsetHeight, top = state.here * height;
    if (top < rows.scrollTop) rows.scrollTop = top;
    else if (top + height + head > rows.scrollTop + rows.clientHeight) rows.scrollTop = top + height + head - rows.clientHeight;
    draw();
  }
  let waiting = false;
  rows.addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; draw(); }); } });
  rows.addEventListener("click", (event) => {
    const tr = event.target.closest("tr.word");
    if (tr) { state.here = Number(tr.dataset.at); draw(); open(state.here); }
  });
  rows.addEventListener("keydown", (event) => {
    if (event.target !== rows) return;
    const page = Math.max(1, Math.floor(rows.clientHeight / height) - 2);
    const to = { ArrowDown: state.here + 1, ArrowUp: state.here - 1, PageDown: state.here + page, PageUp: state.here - page, Home: 0, End: state.shown.length - 1 }[event.key];
    if (to !== undefined) { event.preventDefault(); move(to); }
    if (event.key === "Enter" && state.here >= 0) { event.preventDefault(); open(state.here); }
  });
  for (const button of document.querySelectorAll(".words th button")) button.addEventListener("click", () => {
    const order = button.dataset.order;
    state.down = state.order === order ? !state.down : FALLING.has(order);
    state.order = order;
    select();
  });
  for (const button of document.querySelectorAll(".buttons [data-order]")) button.addEventListener("click", () => { state.order = button.dataset.order; state.down = true; select(); });
  for (const id of ["find", "reference", "speaker", "least"]) $(id).addEventListener("input", select);
  $("tools").addEventListener("submit", (event) => event.preventDefault());
  function option(select_, value, label) { const o = document.createElement("option"); o.value = value; o.textContent = label; select_.append(o); }
  for (const [id, values] of [["reference", data.utterances.map((u) => u.reference)], ["speaker", data.utterances.map((u) => u.speaker).filter((s) => s !== null)]]) {
    const choices = [...new Set(values)].sort();
    option($(id), "", "all");
    for (const value of choices) option($(id), value, value);
    $(id).parentElement.hidden = choices.length < 2; // only one value
  }
  for (const which of ["a", "b"]) {
    data.systems.forEach((system, i) => option($(which), i, system.name));
    if (which === "b") option($("b"), "", "none");
    $(which).value = state[which] ?? "";
    $(which).addEventListener("input", () => { state[which] = $(which).value === "" ? null : Number($(which).value); colour(); select(); });
  }
  function colour() {
    const family = (system) => (system === null ? "control" : data.systems[system].family);
    const a = family(state.a), b = family(state.b);
    document.documentElement.style.setProperty("--key-a", `var(--${a})`);
    document.documentElement.style.setProperty("--key-b", a === b ? "var(--hybrid)" : `var(--${b})`);
  }

  // ---- one word: its picture ----------------------------------------------------------------------------------------
  const dialog = $("word"), canvas = $("view");
  const unpacked = new Map();
  async function bytes(image) {
    if (!unpacked.has(image)) {
      const packed = Uint8Array.from(atob(image.data), (c) => c.charCodeAt(0));
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
      unpacked.set(image, new Uint8Array(await new Response(stream).arrayBuffer()));
    }
    return unpacked.get(image);
  }
  function ramp(name) {
    const stops = css(`--map-${name}`).split(",").map((c) => [1, 3, 5].map((at) => parseInt(c.trim().slice(at, at + 2), 16)));
    return Array.from({ length: 256 }, (_, v) => { const x = (v / 255) * 2, k = Math.min(1, Math.floor(x)), f = x - k; return stops[k].map((c, j) => Math.round(c + (stops[k + 1][j] - c) * f)); });
  }
  function picture(levels, image, colours, first, last) {
    const shown = last - first, off_ = new OffscreenCanvas(image.frames, shown), context = off_.getContext("2d"), pixels = context.createImageData(image.frames, shown);
    for (let row = 0; row < shown; row++) for (let frame = 0; frame < image.frames; frame++) {
      const c = colours[levels[(first + row) * image.frames + frame]], at = ((shown - 1 - row) * image.frames + frame) * 4; // the first row is at the bottom
      pixels.data[at] = c[0]; pixels.data[at + 1] = c[1]; pixels.data[at + 2] = c[2]; pixels.data[at + 3] = 255;
    }
    context.putImageData(pixels, 0, 0);
    return off_;
  }
  function near(i) { // the words of the utterance, the words near word i, and the visible time span
    const all = [];
    for (let j = i; j >= 0 && data.utterance[j] === data.utterance[i]; j--) all.unshift(j);
    for (let j = i + 1; j < n && data.utterance[j] === data.utterance[i]; j++) all.push(j);
    const u = utterance(i), at = all.indexOf(i), [from, to] = bounds(i), inside = (j) => data.end[j] - u.offset >= from * S && data.start[j] - u.offset <= to * S;
    const few = $("whole").checked ? all.filter(inside) : all.slice(Math.max(0, at - 2), at + 3);
    const edges = few.flatMap((j) => [data.start[j], data.end[j]]).concat([state.a, state.b].flatMap((s) => few.flatMap((j) => cut(s, j)))).filter((t) => t !== null).map((t) => (t - u.offset) / S);
    const span = $("whole").checked ? [from, to] : [Math.max(0, from, Math.min(...edges) - 0.12), Math.min(to, Math.max(...edges) + 0.12)];
    return { all, few, span, sentence: u.duration / S > LONG_S ? all.filter(inside) : all };
  }
  let drawn = null; // scale of the open word's picture, for the cursor
  async function paint() {
    const i = state.open;
    if (i < 0) return;
    const u = utterance(i), pack = mediaOf(i), { all, few, span } = near(i);
    const maps = [state.a, state.b].map((system, k) => ({ system, k, map: system === null ? undefined : pack.maps[data.systems[system].stack] }));
    const panels = [];
    const tiers = [[canvas.clientWidth < 500 ? "ref." : "reference", null, "--reference"], ["first", state.a, "--key-a"], ["second", state.b, "--key-b"]].filter(([, s], k) => k === 0 || s !== null);
    panels.push({ kind: "tiers", height: 24 * tiers.length, tiers });
    if (pack.spectrogram) panels.push({ kind: "picture", label: "spectrogram, 0 to 8 kHz", image: pack.spectrogram, ramp: "spectrogram", height: 120, first: 0, last: pack.spectrogram.rows, lines: ["reference", state.a, state.b] });
    for (const { system, map } of maps) if (map) {
      const wanted = new Set(few.map((j) => data.index[j]));
      let first = map.words.findIndex((w) => wanted.has(w)), last = map.words.length - [...map.words].reverse().findIndex((w) => wanted.has(w));
      if (first < 0) { first = 0; last = map.rows; }
      const name = data.systems[system].family === "saliency" ? "saliency" : "attention";
      panels.push({ kind: "picture", label: data.systems[system].name, image: map, ramp: name, height: Math.max(80, Math.min(230, (last - first) * 15)), first, last, lines: ["reference", system], words: map.words });
    }
    const levels = await Promise.all(panels.map((p) => (p.image ? bytes(p.image) : null)));
    if (state.open !== i) return;
    const width = canvas.clientWidth || 800, gutter = width < 500 ? 58 : 92, gap = 20, foot = 24, dpr = window.devicePixelRatio || 1;
    const tall = panels.reduce((sum, p) => sum + p.height + gap, 0) + foot;
    canvas.width = width * dpr; canvas.height = tall * dpr; canvas.style.height = `${tall}px`;
    const c = canvas.getContext("2d"), ink = css("--ink"), soft = css("--soft"), bg = css("--bg"), panel = css("--panel");
    const key = (name) => { const v = css(name), m = v.match(/^var\((.*)\)$/); return m ? css(m[1]) : v; };
    c.scale(dpr, dpr); c.fillStyle = bg; c.fillRect(0, 0, width, tall); c.font = "12px system-ui, sans-serif"; c.textBaseline = "middle";
    const x = (s) => gutter + ((s - span[0]) / (span[1] - span[0])) * (width - gutter - 6);
    const rel = (t) => (t - u.offset) / S;
    const styles = new Map([["reference", [key("--reference"), []]], [state.b, [key("--key-b"), [2, 3]]], [state.a, [key("--key-a"), [7, 4]]]]);
    const clip = (text, room) => { if (c.measureText(text).width <= room) return text; let k = text.length; while (k > 0 && c.measureText(text.slice(0, k) + "…").width > room) k--; return k ? text.slice(0, k) + "…" : ""; };
    function edge(t, system, top, bottom) {
      if (t === null) return;
      const at = x(rel(t));
      if (at < gutter - 1 || at > width - 5) return;
      for (const [stroke, wide, dash] of [[bg, 3.5, []], [styles.get(system)[0], 1.8, styles.get(system)[1]]]) {
        c.strokeStyle = stroke; c.lineWidth = wide; c.setLineDash(dash); c.globalAlpha = stroke === bg ? 0.65 : 1;
        c.beginPath(); c.moveTo(at, top); c.lineTo(at, bottom); c.stroke();
      }
      c.setLineDash([]); c.globalAlpha = 1;
    }
    let top = 4;
    panels.forEach((p, k) => {
      if (p.kind === "tiers") {
        p.tiers.forEach(([name, system, colour_], row) => {
          const y = top + row * 24;
          c.fillStyle = soft; c.textAlign = "right"; c.fillText(name, gutter - 6, y + 11);
          c.save(); c.beginPath(); c.rect(gutter, y, width - gutter - 6, 22); c.clip();
          for (const j of all) {
            const [s, e] = row === 0 ? [data.start[j], data.end[j]] : cut(system, j);
            if (s === null || e === null) continue;
            const from = x(rel(s)), to = x(rel(e));
            c.fillStyle = j === i ? key(colour_) : panel; c.globalAlpha = j === i ? 0.25 : 1; c.fillRect(from, y, to - from, 21); c.globalAlpha = 1;
            c.strokeStyle = key(colour_); c.lineWidth = 1.5; c.strokeRect(from, y + 0.5, to - from, 20);
            c.fillStyle = ink; c.textAlign = "center"; const seen = [Math.max(from, gutter), Math.min(to, width - 6)];
            if (seen[1] > seen[0]) c.fillText(clip(data.text[j], seen[1] - seen[0] - 6), (seen[0] + seen[1]) / 2, y + 11);
          }
          c.restore();
        });
      } else {
        c.fillStyle = soft; c.textAlign = "left"; c.fillText(clip(p.label, width - gutter - 8), gutter, top + 6);
        const y = top + 16, h = p.height - 0, image = picture(levels[k], p.image, ramp(p.ramp), p.first, p.last);
        const first_s = p.image.start_s + (pack.from ?? 0), from = x(first_s), to = x(first_s + p.image.frames * p.image.frame_s);
        c.save(); c.beginPath(); c.rect(gutter, y, width - gutter - 6, h); c.clip(); c.imageSmoothingEnabled = p.ramp === "spectrogram"; c.drawImage(image, from, y, to - from, h);
        for (const j of all) for (const system of p.lines) if (system !== null) for (const t of system === "reference" ? [data.start[j], data.end[j]] : cut(system, j)) edge(t, system, y, y + h);
        c.restore();
        if (p.words) {
          const row = h / (p.last - p.first); c.textAlign = "right";
          let word = -2, lowest = Infinity;
          for (let r = p.first; r < p.last; r++) if (p.words[r] !== word) {
            word = p.words[r];
            const text = word < 0 ? "end" : data.text[all[word]] ?? "", tokens = p.words.slice(p.first, p.last).filter((w) => w === word).length;
            const mid = y + h - (r - p.first + tokens / 2) * row;
            if (lowest - mid < 11) continue;
            lowest = mid; c.fillStyle = word === data.index[i] ? ink : soft; c.font = word === data.index[i] ? "bold 12px system-ui, sans-serif" : "12px system-ui, sans-serif";
            c.fillText(clip(text, gutter - 8), gutter - 6, mid);
          }
          c.font = "12px system-ui, sans-serif";
        } else { c.fillStyle = soft; c.textAlign = "right"; c.fillText("8 kHz", gutter - 6, y + 6); c.fillText("0", gutter - 6, y + h - 5); }
      }
      top += p.height + gap;
    });
    const steps = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10], step = steps.find((s) => ((width - gutter) * s) / (span[1] - span[0]) > 62) ?? 20;
    c.fillStyle = soft; c.strokeStyle = soft; c.lineWidth = 1; c.textAlign = "center";
    for (let t = Math.ceil(span[0] / step) * step; t <= span[1] + 1e-9; t += step) {
      c.beginPath(); c.moveTo(x(t), top - 2); c.lineTo(x(t), top + 3); c.stroke();
      c.fillText((t + u.offset / S).toFixed(step < 0.1 ? 2 : 1), x(t), top + 11);
    }
    c.textAlign = "right"; c.fillText("s", gutter - 22, top + 11);
    drawn = { x, gutter, width };
    const shown = panels.filter((p) => p.image).map((p) => p.label).join("; ");
    canvas.setAttribute("aria-label", `${data.text[i]}: ${shown || "boundaries only"}. The table below has the times.`);
    canvas.dataset.panels = panels.length;
  }
  function describe(i) {
    const u = utterance(i), { few, sentence } = near(i), long = u.duration / S > LONG_S, [from, to] = bounds(i);
    for (const id of ["all-name", "whole-name"]) $(id).textContent = long ? `${Math.round(to - from)} s around it` : "utterance";
    $("word-title").textContent = data.text[i];
    $("word-place").textContent = `${u.id}${u.speaker ? `, ${u.speaker}` : ""} · ${u.reference} reference · error: ${state.b === null ? "" : "first "}${plain(off(state.a, i))} ms${state.b === null ? "" : `, second ${plain(off(state.b, i))} ms`}`;
    $("sentence").replaceChildren(...sentence.flatMap((j) => {
      const part = document.createElement(j === i ? "mark" : "span");
      part.textContent = data.text[j];
      return [part, " "];
    }));
    const rows_ = few.map((j) => {
      const tr = document.createElement("tr"), th = document.createElement("th");
      th.textContent = data.text[j]; th.scope = "row"; tr.append(th);
      if (j === i) tr.className = "here";
      const span = ([s, e]) => `${s === null ? "–" : (s / S).toFixed(3)} to ${e === null ? "–" : (e / S).toFixed(3)}`;
      cell(tr, span([data.start[j], data.end[j]]), "number"); cell(tr, span(cut(state.a, j)), "number"); cell(tr, span(cut(state.b, j)), "number of-two");
      return tr;
    });
    $("times").tBodies[0].replaceChildren(...rows_);
    $("name-a").textContent = state.a === null ? "" : data.systems[state.a].name;
    $("name-b").textContent = state.b === null ? "none" : data.systems[state.b].name;
    const pack = mediaOf(i), sound = Boolean(pack.audio), mapped = Object.keys(pack.maps).length > 0;
    $("rows-note").hidden = !mapped;
    const missing = [];
    if (!pack.spectrogram) missing.push("spectrogram");
    if (!mapped) missing.push("maps");
    if (!sound) missing.push("sound");
    $("silent").textContent = missing.length ? `This page has no ${missing.join(" and no ")} for this word.` : "";
    for (const button of document.querySelectorAll("[data-play]")) {
      const t = stretch(button.dataset.play, i);
      button.disabled = !sound || t === null;
    }
  }
  function open(at) {
    stop();
    state.here = at;
    state.open = state.shown[at];
    describe(state.open);
    if (!dialog.open) dialog.showModal();
    $("before").disabled = at <= 0;
    $("after").disabled = at >= state.shown.length - 1;
    paint();
  }
  const step = (by) => { const to = state.here + by; if (to >= 0 && to < state.shown.length) { move(to); open(to); } };
  $("before").addEventListener("click", () => step(-1));
  $("after").addEventListener("click", () => step(1));
  $("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => { stop(); state.open = -1; rows.focus({ preventScroll: true }); });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") { event.preventDefault(); step(-1); }
    if (event.key === "ArrowRight") { event.preventDefault(); step(1); }
    if (event.key === " " && !["BUTTON", "INPUT"].includes(event.target.tagName)) { event.preventDefault(); play("word"); }
  });
  $("whole").addEventListener("input", () => { describe(state.open); paint(); });

  // ---- one word: its sound ------------------------------------------------------------------------------------------
  let audio = null, playing = null;
  const decoded = new Map();
  function stretch(kind, i) { // seconds from the start of the utterance
    const u = utterance(i), all = near(i).all, at = all.indexOf(i), [from, to] = bounds(i);
    const times = { word: [data.start[i], data.end[i]], a: cut(state.a, i), b: cut(state.b, i), near: [data.start[all[Math.max(0, at - 1)]], data.end[all[Math.min(all.length - 1, at + 1)]]] }[kind];
    if (!times) return [from, to];
    if (times[0] === null || times[1] === null) return null;
    return times.map((t) => Math.max(from, Math.min(to, (t - u.offset) / S)));
  }
  function stop() {
    if (!playing) return;
    const { source } = playing;
    playing = null;
    source.onended = null;
    source.stop();
    ended();
  }
  function ended() {
    delete dialog.dataset.playing;
    for (const button of document.querySelectorAll("[data-play]")) button.setAttribute("aria-pressed", "false");
    $("cursor").hidden = true;
  }
  async function play(kind) {
    const i = state.open, pack = mediaOf(i), times = stretch(kind, i);
    if (!pack.audio || !times || times[1] <= times[0]) return;
    stop();
    audio ??= new AudioContext();
    await audio.resume();
    if (!decoded.has(pack)) decoded.set(pack, await audio.decodeAudioData(Uint8Array.from(atob(pack.audio), (c) => c.charCodeAt(0)).buffer));
    if (state.open !== i) return;
    const source = audio.createBufferSource();
    source.buffer = decoded.get(pack);
    source.connect(audio.destination);
    source.start(0, times[0] - pack.from, times[1] - times[0]);
    playing = { source, times, from: audio.currentTime };
    dialog.dataset.playing = kind;
    document.querySelector(`[data-play="${kind}"]`).setAttribute("aria-pressed", "true");
    source.onended = () => { playing = null; ended(); };
    cursor();
  }
  function cursor() {
    if (!playing || !drawn || state.open < 0) return;
    const at = drawn.x(playing.times[0] + audio.currentTime - playing.from);
    $("cursor").hidden = at < drawn.gutter || at > drawn.width;
    $("cursor").style.left = `${at}px`;
    requestAnimationFrame(cursor);
  }
  for (const button of document.querySelectorAll("[data-play]")) button.addEventListener("click", () => { if (dialog.dataset.playing === button.dataset.play) stop(); else play(button.dataset.play); });

  // ---- page ---------------------------------------------------------------------------------------------------------
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  function remembered(theme) { // a file opened from disk may have no storage
    try { if (theme) localStorage.setItem("align-eval-theme", theme); return localStorage.getItem("align-eval-theme"); } catch { return null; }
  }
  const stored = remembered();
  if (stored) document.documentElement.dataset.theme = stored;
  $("theme").addEventListener("click", () => {
    const now = document.documentElement.dataset.theme ?? (prefersDark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
    remembered(document.documentElement.dataset.theme);
    paint();
  });
  prefersDark.addEventListener("change", () => paint());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !dialog.open && !["INPUT", "SELECT"].includes(document.activeElement.tagName)) { event.preventDefault(); $("find").focus(); }
  });
  addEventListener("resize", () => { measure(); draw(); paint(); });
  addEventListener("beforeprint", () => {
    printing = true;
    const names = [["first", state.a], ["second", state.b]].filter(([, system]) => system !== null).map(([which, system]) => `${which}: ${data.systems[system].name}`);
    $("on-paper").textContent = `${names.join("; ")}. ${Math.min(state.shown.length, PRINTED)} words are printed.`;
    draw();
  });
  addEventListener("afterprint", () => { printing = false; draw(); });
  colour();
  select();
  measure();
})();
