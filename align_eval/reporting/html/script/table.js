// The table of words. Only visible rows are in the document.
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
    if (least && Math.max(errorMs(state.a, i) ?? NONE, errorMs(state.b, i) ?? NONE) < least) continue;
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
    cell(tr, plain(errorMs(state.a, i)), "number", `${signed(as)} / ${signed(ae)}`); cell(tr, plain(errorMs(state.b, i)), "number of-two", `${signed(bs)} / ${signed(be)}`);
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
function option(select_, value, label, title = "") { const o = document.createElement("option"); o.value = value; o.textContent = label; o.title = title; select_.append(o); }
for (const [id, values] of [["reference", data.utterances.map((u) => u.reference)], ["speaker", data.utterances.map((u) => u.speaker).filter((s) => s !== null)]]) {
  const choices = [...new Set(values)].sort();
  option($(id), "", "all");
  for (const value of choices) option($(id), value, value);
  $(id).parentElement.hidden = choices.length < 2; // only one value
}
for (const which of ["a", "b"]) {
  data.systems.forEach((system, i) => option($(which), i, system.name, system.spec));
  if (which === "b") option($("b"), "", "none");
  $(which).value = state[which] ?? "";
  $(which).addEventListener("input", () => { state[which] = $(which).value === "" ? null : Number($(which).value); name(); colour(); select(); });
}
function name() { // short names wherever a system is named; the whole spec is under the pointer
  for (const which of ["a", "b"]) {
    for (const element of document.querySelectorAll(`.name-${which}`)) { element.textContent = nameOf(state[which]); element.title = specOf(state[which]); }
    $(which).title = specOf(state[which]);
  }
}
function colour() {
  const family = (system) => (system === null ? "control" : data.systems[system].family);
  const a = family(state.a), b = family(state.b);
  document.documentElement.style.setProperty("--key-a", `var(--${a})`);
  document.documentElement.style.setProperty("--key-b", a === b ? "var(--hybrid)" : `var(--${b})`);
}
