// The choices on top: task, data, region, score.
function drawBar() {
  const [task, data] = [group().task, group().data];
  const tasks = [...new Set(DATA.groups.map((one) => one.task))];
  const sets = [...new Set(DATA.groups.filter((one) => one.task === task).map((one) => one.data))];
  fill($("task"), tasks.map((name) => [name, name]), task);
  fill($("data-set"), sets.map((name) => [name, name]), data);
  fill($("region"), group().regions.map((name) => [name, name]), metric().region);
  fill($("metric"), group().metrics.filter((one) => one.region === metric().region).map((one) => [one.id, one.name]), state.metric);
  const many = (things, name) => `${things.length} ${name}${things.length === 1 ? "" : "s"}`;
  const { ids, patients, arms, runs } = group();
  $("about").textContent = `${many(ids, "case")} of ${many(patients, "patient")} · ${many(arms, "model")}, ${many(runs, "run")} · ${DATA.made}`;
}

function pick(task, data) {
  const fits = (one) => one.task === task && (!data || one.data === data);
  chooseGroup(Math.max(DATA.groups.findIndex(fits), DATA.groups.findIndex((one) => one.task === task), 0));
  draw();
}

$("task").onchange = (event) => pick(event.target.value);
$("data-set").onchange = (event) => pick(group().task, event.target.value);
$("region").onchange = (event) => {
  const there = group().metrics.filter((one) => one.region === event.target.value);
  chooseMetric((there.find((one) => one.score === metric().score) || there[0]).id);
  draw();
};
$("metric").onchange = (event) => { chooseMetric(event.target.value); draw(); };

sections.unshift(drawBar);
chooseGroup(0);
