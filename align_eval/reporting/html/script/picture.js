// The dialog of one word: its picture, sentence and times.
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
// The words of the utterance, the words near word i, and the visible time span.
function near(i) {
  const all = [];
  for (let j = i; j >= 0 && data.utterance[j] === data.utterance[i]; j--) all.unshift(j);
  for (let j = i + 1; j < n && data.utterance[j] === data.utterance[i]; j++) all.push(j);
  const u = utterance(i), at = all.indexOf(i), [from, to] = bounds(i), inside = (j) => data.end[j] - u.offset >= from * S && data.start[j] - u.offset <= to * S;
  const nearby = $("whole").checked ? all.filter(inside) : all.slice(Math.max(0, at - 2), at + 3);
  const edges = nearby.flatMap((j) => [data.start[j], data.end[j]]).concat([state.a, state.b].flatMap((s) => nearby.flatMap((j) => timesOf(s, j)))).filter((t) => t !== null).map((t) => (t - u.offset) / S);
  const span = $("whole").checked ? [from, to] : [Math.max(0, from, Math.min(...edges) - 0.12), Math.min(to, Math.max(...edges) + 0.12)];
  return { all, nearby, span, sentence: u.duration / S > LONG_S ? all.filter(inside) : all };
}
let drawn = null; // scale of the open word's picture, for the cursor
async function paint() {
  const i = state.open;
  if (i < 0) return;
  const u = utterance(i), pack = mediaOf(i), { all, nearby, span } = near(i);
  const maps = [state.a, state.b].map((system, k) => ({ system, k, map: system === null ? undefined : pack.maps[data.systems[system].stack] }));
  const panels = [];
  const tiers = [[canvas.clientWidth < 500 ? "ref." : "reference", null, "--reference"], ["first", state.a, "--key-a"], ["second", state.b, "--key-b"]].filter(([, s], k) => k === 0 || s !== null);
  panels.push({ kind: "tiers", height: 24 * tiers.length, tiers });
  if (pack.spectrogram) panels.push({ kind: "picture", label: "spectrogram, 0 to 8 kHz", image: pack.spectrogram, ramp: "spectrogram", height: 120, first: 0, last: pack.spectrogram.rows, lines: ["reference", state.a, state.b] });
  for (const { system, map } of maps) if (map) {
    const wanted = new Set(nearby.map((j) => data.index[j]));
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
          const [s, e] = row === 0 ? [data.start[j], data.end[j]] : timesOf(system, j);
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
      for (const j of all) for (const system of p.lines) if (system !== null) for (const t of system === "reference" ? [data.start[j], data.end[j]] : timesOf(system, j)) edge(t, system, y, y + h);
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
  const u = utterance(i), { nearby, sentence } = near(i), long = u.duration / S > LONG_S, [from, to] = bounds(i);
  for (const id of ["all-name", "whole-name"]) $(id).textContent = long ? `${Math.round(to - from)} s around it` : "utterance";
  $("word-title").textContent = data.text[i];
  $("word-place").textContent = `${u.id}${u.speaker ? `, ${u.speaker}` : ""} · ${u.reference} reference · error: ${state.b === null ? "" : "first "}${plain(errorMs(state.a, i))} ms${state.b === null ? "" : `, second ${plain(errorMs(state.b, i))} ms`}`;
  $("sentence").replaceChildren(...sentence.flatMap((j) => {
    const part = document.createElement(j === i ? "mark" : "span");
    part.textContent = data.text[j];
    return [part, " "];
  }));
  const rows_ = nearby.map((j) => {
    const tr = document.createElement("tr"), th = document.createElement("th");
    th.textContent = data.text[j]; th.scope = "row"; tr.append(th);
    if (j === i) tr.className = "here";
    const span = ([s, e]) => `${s === null ? "–" : (s / S).toFixed(3)} to ${e === null ? "–" : (e / S).toFixed(3)}`;
    cell(tr, span([data.start[j], data.end[j]]), "number"); cell(tr, span(timesOf(state.a, j)), "number"); cell(tr, span(timesOf(state.b, j)), "number of-two");
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
