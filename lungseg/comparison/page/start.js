// The choices on top, the way through the page, light and dark.
function drawBar() {
  const [task, data] = [group().task, group().data];
  const tasks = [...new Set(DATA.groups.map((one) => one.task))];
  const sets = [...new Set(DATA.groups.filter((one) => one.task === task).map((one) => one.data))];
  fill($("task"), tasks.map((name) => [name, name]), task);
  fill($("data-set"), sets.map((name) => [name, name]), data);
  fill($("region"), group().regions.map((name) => [name, name]), metric().region);
  fill($("metric"), group().metrics.filter((one) => one.region === metric().region).map((one) => [one.id, one.name]), state.metric);
  $("about").textContent = `${group().ids.length} cases of ${group().patients.length} patients · ${group().arms.length} models, ${group().runs.length} runs · ${DATA.made}`;
}

function drawSections() {
  const links = [...document.querySelectorAll("main > section")].filter((one) => !one.hidden).map((one) => el("a", { href: `#${one.id}` }, one.dataset.title));
  $("sections").replaceChildren(...links);
  mark();
}

function mark() {
  const shown = [...document.querySelectorAll("main > section")].filter((one) => !one.hidden);
  const now = shown.filter((one) => one.getBoundingClientRect().top < 180).pop() || shown[0];
  for (const link of $("sections").children) link.setAttribute("aria-current", String(link.hash === `#${now.id}`));
}

function pick(task, data) {
  const fits = (one) => one.task === task && (!data || one.data === data);
  chooseGroup(Math.max(DATA.groups.findIndex(fits), DATA.groups.findIndex((one) => one.task === task), 0));
  draw();
}

function dress(theme) {
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = theme === "dark" ? "Light" : "Dark";
}

$("task").onchange = (event) => pick(event.target.value);
$("data-set").onchange = (event) => pick(group().task, event.target.value);
$("region").onchange = (event) => {
  const ids = group().metrics.filter((one) => one.region === event.target.value).map((one) => one.id);
  chooseMetric(ids.find((id) => id.endsWith("/" + state.metric.split("/")[1])) || ids[0]);
  draw();
};
$("metric").onchange = (event) => { chooseMetric(event.target.value); draw(); };
$("theme").onclick = () => { dress(document.documentElement.dataset.theme === "dark" ? "light" : "dark"); draw(); };
addEventListener("scroll", mark, { passive: true });
let resizing = 0;
let wide = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === wide) return;
  wide = innerWidth;
  clearTimeout(resizing);
  resizing = setTimeout(draw, 150);
});

dress(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
sections.unshift(drawBar);
sections.push(drawSections);
chooseGroup(0);
draw().then(() => { document.documentElement.dataset.ready = "true"; });
