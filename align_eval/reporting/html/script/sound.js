// The sound of the open word.
let audio = null, playing = null;
const RATE = 16000, KEPT = 8; // of the embedded sound; decoded sounds that are kept
const decoded = new Map();
async function samplesOf(pack) {
  if (!pack.audio) return null;
  if (!decoded.has(pack)) {
    if (decoded.size >= KEPT) decoded.delete(decoded.keys().next().value);
    decoded.set(pack, new OfflineAudioContext(1, 1, RATE).decodeAudioData(Uint8Array.from(atob(pack.audio), (c) => c.charCodeAt(0)).buffer));
  }
  return decoded.get(pack);
}
function stretch(kind, i) { // seconds from the start of the utterance
  const u = utterance(i), all = near(i).all, at = all.indexOf(i), [from, to] = bounds(i);
  const times = { word: [data.start[i], data.end[i]], a: timesOf(state.a, i), b: timesOf(state.b, i), near: [data.start[all[Math.max(0, at - 1)]], data.end[all[Math.min(all.length - 1, at + 1)]]] }[kind];
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
  const buffer = await samplesOf(pack);
  if (state.open !== i) return;
  const source = audio.createBufferSource();
  source.buffer = buffer;
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
