// The part of the utterance that the picture of a word shows, in seconds from the start of the utterance.
const FACTOR = 1.5, SHORTEST_S = 0.05, PAN = 0.25; // of one step of zoom; of the visible part per step to the side
function near(i) { // the words of the utterance, those in the picture, the visible span, and the words of the sentence
  const all = [];
  for (let j = i; j >= 0 && data.utterance[j] === data.utterance[i]; j--) all.unshift(j);
  for (let j = i + 1; j < n && data.utterance[j] === data.utterance[i]; j++) all.push(j);
  const u = utterance(i), at = all.indexOf(i), [from, to] = bounds(i), rel = (t) => (t - u.offset) / S;
  const inside = ([first, last]) => all.filter((j) => rel(data.end[j]) >= first && rel(data.start[j]) <= last);
  const around = $("whole").checked ? inside([from, to]) : all.slice(Math.max(0, at - 2), at + 3);
  const edges = around.flatMap((j) => [data.start[j], data.end[j], ...timesOf(state.a, j), ...timesOf(state.b, j)]).filter((t) => t !== null).map(rel);
  const base = $("whole").checked ? [from, to] : [Math.max(0, from, Math.min(...edges) - 0.12), Math.min(to, Math.max(...edges) + 0.12)];
  const span = zoomed(base, (rel(data.start[i]) + rel(data.end[i])) / 2, [from, to]);
  return { all, nearby: state.zoom || state.pan ? inside(span) : around, span, limits: [from, to], sentence: u.duration / S > LONG_S ? inside([from, to]) : all };
}
function zoomed([first, last], middle, [from, to]) { // the middle of the word stays where it is
  const scale = FACTOR ** -state.zoom, width = Math.min(to - from, Math.max(SHORTEST_S, (last - first) * scale));
  const start = middle - (middle - first) * scale + state.pan;
  const first_ = Math.min(Math.max(from, start), to - width);
  return [first_, first_ + width];
}
function zoom(by) {
  const { span, limits } = near(state.open), width = span[1] - span[0];
  if (by > 0 ? width <= SHORTEST_S + 1e-9 : width >= limits[1] - limits[0] - 1e-9) return;
  state.zoom += by;
  showSpan();
}
function pan(by) {
  const { span, limits } = near(state.open), step_ = by * PAN * (span[1] - span[0]);
  state.pan += Math.min(Math.max(step_, limits[0] - span[0]), limits[1] - span[1]);
  showSpan();
}
function reset() { state.zoom = 0; state.pan = 0; }
function showSpan() {
  const { span, limits } = near(state.open), width = span[1] - span[0], offset = utterance(state.open).offset / S;
  $("span").textContent = `${(span[0] + offset).toFixed(2)} to ${(span[1] + offset).toFixed(2)} s`;
  $("zoom-in").disabled = width <= SHORTEST_S + 1e-9;
  $("zoom-out").disabled = width >= limits[1] - limits[0] - 1e-9;
  paint();
}
$("zoom-in").addEventListener("click", () => zoom(1));
$("zoom-out").addEventListener("click", () => zoom(-1));
