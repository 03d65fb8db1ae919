// The dialog of one word: its sentence, times and keys.
const dialog = $("word");
function describe(i) {
  const u = utterance(i), { nearby, sentence } = near(i), long = u.duration / S > LONG_S, [from, to] = bounds(i);
  for (const id of ["all-name", "whole-name"]) $(id).textContent = long ? `${Math.round(to - from)} s around it` : "utterance";
  $("word-title").textContent = data.text[i];
  $("word-place").textContent = `${u.id}${u.speaker ? `, ${u.speaker}` : ""} · ${u.reference} reference · error: ${state.b === null ? "" : `${nameOf(state.a)} `}${plain(errorMs(state.a, i))} ms${state.b === null ? "" : `, ${nameOf(state.b)} ${plain(errorMs(state.b, i))} ms`}`;
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
  offerTextGrid(i);
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
  reset();
  describe(state.open);
  $("before").disabled = at <= 0;
  $("after").disabled = at >= state.shown.length - 1;
  if (!dialog.open) dialog.showModal();
  showSpan();
}
const step = (by) => { const to = state.here + by; if (to >= 0 && to < state.shown.length) { move(to); open(to); } };
$("before").addEventListener("click", () => step(-1));
$("after").addEventListener("click", () => step(1));
$("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => { stop(); state.open = -1; rows.focus({ preventScroll: true }); });
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
document.addEventListener("keydown", (event) => { // also where a button that was just disabled had the focus
  if (!dialog.open || event.ctrlKey || event.metaKey || event.altKey) return; // the browser's own, as its zoom
  const move_ = event.shiftKey ? pan : step;
  if (event.key === "ArrowLeft") { event.preventDefault(); move_(-1); }
  if (event.key === "ArrowRight") { event.preventDefault(); move_(1); }
  if (event.key === "+" || event.key === "=") { event.preventDefault(); zoom(1); }
  if (event.key === "-") { event.preventDefault(); zoom(-1); }
  if (event.key === " " && !["BUTTON", "INPUT"].includes(event.target.tagName)) { event.preventDefault(); play("word"); }
});
$("whole").addEventListener("input", () => { reset(); describe(state.open); showSpan(); });
