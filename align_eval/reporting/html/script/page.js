// Theme, printing, and the start of the page.
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
  const named = (system) => (nameOf(system) === specOf(system) ? nameOf(system) : `${nameOf(system)} (${specOf(system)})`);
  const names = [["first", state.a], ["second", state.b]].filter(([, system]) => system !== null).map(([which, system]) => `${which}: ${named(system)}`);
  $("on-paper").textContent = `${names.join("; ")}. ${Math.min(state.shown.length, PRINTED)} words are printed.`;
  draw();
});
addEventListener("afterprint", () => { printing = false; draw(); });
name();
colour();
select();
measure();
