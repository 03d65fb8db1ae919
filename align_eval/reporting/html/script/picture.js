// The picture of the open word: boundaries, spectrogram, waveform and maps on one time axis.
const canvas = $("view");
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
function extent(samples, from, to) { // least and greatest sample, the next one included, so that steep waves have no gaps
  let low = Infinity, high = -Infinity;
  for (let k = Math.max(0, from); k <= to && k < samples.length; k++) { if (samples[k] < low) low = samples[k]; if (samples[k] > high) high = samples[k]; }
  return low <= high ? [low, high] : [0, 0];
}
let drawn = null; // scale of the open word's picture, for the cursor
async function paint() {
  const i = state.open;
  if (i < 0) return;
  const u = utterance(i), pack = mediaOf(i), { all, nearby, span } = near(i);
  const maps = [state.a, state.b].map((system, k) => ({ system, k, map: system === null ? undefined : pack.maps[data.systems[system].stack] }));
  const panels = [];
  const words_ = (system) => all.map((j) => [...(system === null ? [data.start[j], data.end[j]] : timesOf(system, j)), data.text[j], j === i]).filter(([s, e]) => s !== null && e !== null);
  const tiers = [[canvas.clientWidth < 500 ? "ref." : "reference", words_(null), "--reference"], ...[[state.a, "--key-a"], [state.b, "--key-b"]].filter(([s]) => s !== null).map(([s, colour_]) => [nameOf(s), words_(s), colour_])];
  if (pack.phones) tiers.splice(1, 0, ["phones", pack.phones.map(([s, e, text]) => [s + u.offset, e + u.offset, text, false]), "--reference"]);
  panels.push({ kind: "tiers", height: 24 * tiers.length, tiers });
  if (pack.spectrogram) panels.push({ kind: "picture", label: "spectrogram, 0 to 8 kHz", image: pack.spectrogram, ramp: "spectrogram", height: 120, first: 0, last: pack.spectrogram.rows, lines: ["reference", state.a, state.b] });
  const sound = await samplesOf(pack).catch(() => null);
  if (sound) panels.push({ kind: "wave", label: "waveform", height: 48, lines: ["reference", state.a, state.b], samples: sound.getChannelData(0), rate: sound.sampleRate });
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
      p.tiers.forEach(([name_, entries, colour_], row) => {
        const y = top + row * 24;
        c.fillStyle = soft; c.textAlign = "right"; c.fillText(clip(name_, gutter - 8), gutter - 6, y + 11);
        c.save(); c.beginPath(); c.rect(gutter, y, width - gutter - 6, 22); c.clip();
        for (const [s, e, label, opened] of entries) {
          const from = x(rel(s)), to = x(rel(e));
          if (to < gutter || from > width) continue;
          c.fillStyle = opened ? key(colour_) : panel; c.globalAlpha = opened ? 0.25 : 1; c.fillRect(from, y, to - from, 21); c.globalAlpha = 1;
          c.strokeStyle = key(colour_); c.lineWidth = 1.5; c.strokeRect(from, y + 0.5, to - from, 20);
          c.fillStyle = ink; c.textAlign = "center"; const seen = [Math.max(from, gutter), Math.min(to, width - 6)];
          if (seen[1] > seen[0]) c.fillText(clip(label, seen[1] - seen[0] - 4), (seen[0] + seen[1]) / 2, y + 11);
        }
        c.restore();
      });
    } else if (p.kind === "wave") {
      c.fillStyle = soft; c.textAlign = "left"; c.fillText(p.label, gutter, top + 6);
      const y = top + 16, half = p.height / 2, left = Math.ceil(gutter), right = Math.floor(width - 6);
      const at = (pixel) => Math.round((span[0] + ((pixel - gutter) / (width - gutter - 6)) * (span[1] - span[0]) - (pack.from ?? 0)) * p.rate);
      c.save(); c.beginPath(); c.rect(gutter, y, width - gutter - 6, p.height); c.clip();
      c.fillStyle = ink;
      const loudest = p.samples.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-4);
      for (let pixel = left; pixel < right; pixel++) {
        const [low, high] = extent(p.samples, at(pixel), at(pixel + 1));
        c.fillRect(pixel, y + half - (high / loudest) * half, 1, Math.max(1, ((high - low) / loudest) * half));
      }
      for (const j of all) for (const system of p.lines) if (system !== null) for (const t of system === "reference" ? [data.start[j], data.end[j]] : timesOf(system, j)) edge(t, system, y, y + p.height);
      c.restore();
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
  const shown = panels.filter((p) => p.label).map((p) => p.label).join("; ");
  canvas.setAttribute("aria-label", `${data.text[i]}: ${shown || "boundaries only"}. The table below has the times.`);
  canvas.dataset.panels = panels.length;
}
