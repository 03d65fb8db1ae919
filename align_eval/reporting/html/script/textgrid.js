// The utterance of the open word as a TextGrid in Praat's long text format. Times count from the start of the file.
const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
// Tiers of words [start, end, text]. A word that has no length, or overlaps the one before, becomes a point of its own tier.
function tiersOf(name_, words_, first, last) {
  const intervals = [], noLength = [], overlapping = [];
  let end = first;
  for (const [s, e, text] of [...words_].sort((x, y) => x[0] - y[0] || x[1] - y[1])) {
    if (s < end) { overlapping.push([s, text]); continue; }
    if (e <= s) { noLength.push([s, text]); continue; }
    if (s > end) intervals.push([end, s, ""]);
    intervals.push([s, e, text]);
    end = e;
  }
  if (end < last) intervals.push([end, last, ""]);
  const points = [[`${name_} (no length)`, noLength], [`${name_} (overlapping)`, overlapping]].filter(([, of]) => of.length);
  return [{ name: name_, intervals }, ...points.map(([of, list]) => ({ name: of, points: list }))];
}
function textGrid(tiers, first, last) {
  const lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", `xmin = ${first / S}`, `xmax = ${last / S}`, "tiers? <exists>", `size = ${tiers.length}`, "item []:"];
  tiers.forEach((tier, k) => {
    const kind = tier.points ? "points" : "intervals";
    lines.push(`    item [${k + 1}]:`, `        class = "${tier.points ? "TextTier" : "IntervalTier"}"`, `        name = ${quoted(tier.name)}`, `        xmin = ${first / S}`, `        xmax = ${last / S}`, `        ${kind}: size = ${tier[kind].length}`);
    tier[kind].forEach((entry, m) => {
      const text = quoted(entry.at(-1));
      lines.push(`        ${kind} [${m + 1}]:`, ...(tier.points ? [`            number = ${entry[0] / S}`, `            mark = ${text}`] : [`            xmin = ${entry[0] / S}`, `            xmax = ${entry[1] / S}`, `            text = ${text}`]));
    });
  });
  return `${lines.join("\n")}\n`;
}
function textGridOf(i) {
  const u = utterance(i), { all } = near(i), phones = mediaOf(i).phones;
  const named = [["reference", all.map((j) => [data.start[j], data.end[j], data.text[j]])]];
  if (phones) named.push(["phones", phones.map(([s, e, text]) => [s + u.offset, e + u.offset, text])]);
  for (const system of new Set([state.a, state.b])) if (system !== null) {
    const timed = all.map((j) => [...timesOf(system, j), data.heard?.[j] ?? data.text[j]]).filter(([s, e]) => s !== null && e !== null);
    if (timed.length) named.push([nameOf(system), timed]);
  }
  const times = named.flatMap(([, words_]) => words_.flatMap(([s, e]) => [s, e]));
  const first = Math.min(u.offset, ...times), last = Math.max(u.offset + u.duration, ...times);
  return textGrid(named.flatMap(([name_, words_]) => tiersOf(name_, words_, first, last)), first, last);
}
function offerTextGrid(i) {
  const link = $("praat");
  if (link.href) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([textGridOf(i)], { type: "text/plain;charset=utf-8" }));
  link.download = `${utterance(i).id.replaceAll("/", "_")}.TextGrid`;
}
