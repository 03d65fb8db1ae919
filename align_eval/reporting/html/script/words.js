// The words of the page, and the figures of a word. Times are integers in tenths of a millisecond.
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const n = data.text.length;
const MS = 10, S = 10000; // units of time per ms and per s
const LONG_S = 60, PRINTED = 40; // longer utterances have stretches; number of printed words
const state = { a: data.pair[0], b: data.pair[1], order: "a", down: true, shown: [], here: -1, open: -1, zoom: 0, pan: 0 };
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const NONE = -Infinity;
const errors = (system, i) => (system === null ? [null, null] : [data.errors[system][0][i], data.errors[system][1][i]]);
const mean = (x, y) => (x === null ? y : y === null ? x : (x + y) / 2); // of those that are not null
const size = (x) => (x === null ? null : Math.abs(x));
const toMs = (x) => (x === null ? null : x / MS);
const distance = (x, y) => (x === null || y === null ? null : Math.abs(x - y));
const columns = new Map(); // one number per word, computed once for each system or pair
function column(name, compute) {
  if (!columns.has(name)) columns.set(name, Array.from({ length: n }, (_, i) => compute(i)));
  return columns.get(name);
}
const errorMs = (system, i) => (system === null ? null : column(system, (j) => toMs(mean(...errors(system, j).map(size))))[i]);
const apart = (i) => {
  const { a, b } = state;
  if (a === null || b === null) return null;
  return column(`${a} ${b}`, (j) => { const one = errors(a, j), other = errors(b, j); return toMs(mean(distance(one[0], other[0]), distance(one[1], other[1]))); })[i];
};
const nameOf = (system) => (system === null ? "none" : data.systems[system].name);
const specOf = (system) => (system === null ? "" : data.systems[system].spec);
const timesOf = (system, i) => { const [s, e] = errors(system, i); return [s === null ? null : data.start[i] + s, e === null ? null : data.end[i] + e]; };
const utterance = (i) => data.utterances[data.utterance[i]];
const NOTHING = { maps: {} };
const packs = new Map([...document.querySelectorAll("script.media")].map((e) => [e.dataset.utterance, e])), read = new Map();
function media(id) { // parsed at first use: parsing all of it at once would block the page
  if (!read.has(id)) read.set(id, packs.has(id) ? JSON.parse(packs.get(id).textContent) : []);
  return read.get(id);
}
// Spectrogram, maps and sound of a word; in a long utterance, those of the stretch that holds the word most centrally.
function mediaOf(i) {
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
  a: (i) => errorMs(state.a, i), b: (i) => errorMs(state.b, i), apart, rho: (i) => data.rho[i],
};
const FALLING = new Set(["a", "b", "apart"]);
