// False alarms, subgroups, seeds, all pairs.
function track(value, low, high, range, ink, mark) {
  const at = (one) => `${(100 * (one - range[0])) / (range[1] - range[0] || 1)}%`;
  const node = el("div", { className: "track" });
  if (defined(low) && defined(high)) {
    const bar = el("i");
    bar.style.left = at(low);
    bar.style.width = `${(100 * (high - low)) / (range[1] - range[0] || 1)}%`;
    bar.style.background = ink;
    node.append(bar);
  }
  for (const one of mark || []) {
    const line = el("s");
    line.style.left = at(one);
    node.append(line);
  }
  if (defined(value)) {
    const dot = el("b");
    dot.style.left = at(value);
    dot.style.background = ink;
    node.append(dot);
  }
  return node;
}

function row(name, middle, text) {
  return el("div", { className: "row" }, name, middle, el("span", {}, text));
}

const shownArms = () => (state.arms.length ? stats().order.filter((arm) => state.arms.includes(arm)) : stats().order.slice(0, MOST));

function drawAlarms() {
  const region = metric().region;
  const found = statsOf(region, "false_alarm");
  const empty = group().empty[region].filter(Boolean).length;
  $("alarms").hidden = !found || !empty;
  if ($("alarms").hidden) return;
  const area = statsOf(region, "false_alarm_extent");
  $("alarms-note").textContent = `${empty} cases have no ${region} in the reference. How often anything at all was predicted there, with its 95% interval over patients, and how much of the image. A model that predicts nothing has none: read this beside the scores above.${sentenceOf(found.caution)}`;
  const share = (value) => (defined(value) ? `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)}%` : "–");
  $("alarm-bars").replaceChildren(...shownArms().map((arm) => row(named(arm), track(found.mean[arm], found.low[arm], found.high[arm], [0, 1], colour(arm)), `${share(found.mean[arm])} [${share(found.low[arm])}, ${share(found.high[arm])}], ${defined(area.mean[arm]) ? (100 * area.mean[arm]).toFixed(2) : "–"}% of area`)));
}

$("alarm-cases").onclick = () => { gallery.order = "alarm"; drawGallery().then(() => $("gallery").scrollIntoView()); };

const plural = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
// Rounded down, so that 14.97 is not called 15.
const shownDown = (value) => String(Math.floor(value * 10 + 1e-6) / 10);

state.by = null;

function drawSubgroups() {
  const names = [...new Set(stats().subgroups.map((one) => one.by))];
  if (state.by === null) state.by = group().by === "domain" ? "" : group().by;
  const by = names.includes(state.by) ? state.by : "";
  fill($("subgroup-by"), [["", "all"], ...names.map((name) => [name, name])], by);
  const found = stats().subgroups.filter((one) => !by || one.by === by);
  $("subgroups").hidden = !found.length;
  const all = found.flatMap((one) => shownArms().flatMap((arm) => [one.mean[arm], one.low[arm], one.high[arm]])).filter(defined);
  const range = [Math.min(...all), Math.max(...all)];
  const rows = [];
  for (const one of found) {
    rows.push(el("div", { className: "heading" }, `${one.by}: ${one.name} `, el("span", { className: "muted" }, `${plural(one.cases, "case")}, ${plural(one.patients, "patient")}${one.effective < group().enough ? `, ${shownDown(one.effective)} effective: intervals are rough` : ""}`)));
    for (const arm of shownArms()) rows.push(row(named(arm), track(one.mean[arm], one.low[arm], one.high[arm], range, colour(arm)), mean(one.mean[arm], one.low[arm], one.high[arm], metric(), one.patients)));
  }
  $("subgroup-rows").replaceChildren(...rows);
}

$("subgroup-by").onchange = (event) => { state.by = event.target.value; drawSubgroups(); };

function drawSeeds() {
  const found = shownArms().map((arm) => stats().seeds.find((one) => one.arm === arm)).filter(Boolean);
  $("seeds").hidden = !found.length;
  if (!found.length) return;
  const all = found.flatMap((one) => one.means);
  const room = (Math.max(...all) - Math.min(...all) || 0.01) * 0.1;
  const range = [Math.min(...all) - room, Math.max(...all) + room];
  $("seeds-note").textContent = "Dotted lines: the mean of each seed. The spread between seeds (of the training) is not the spread between cases: a difference between two models that is within the first may be luck.";
  $("seed-rows").replaceChildren(...found.map((one) => row(named(one.arm), track(stats().mean[one.arm], null, null, range, colour(one.arm), one.means), `seeds ± ${number(one.between)}, ${group().weight === "patients" ? "patients" : "cases"} ± ${number(one.cases)}`)));
}

function drawMatrix() {
  const order = stats().pairs.arms;
  $("matrix").hidden = order.length < 2;
  if ($("matrix").hidden) return;
  $("matrix-note").textContent = `The row's ${metric().name} minus the column's. In colour where the difference is sure (p < 0.05 after Holm's correction for all pairs, and 0 outside of its interval${stats().pairs.arms.some((arm) => group().arms[arm].runs.length < 2) ? "; with one seed of a model, the luck of training is not in it" : ""}): green where the row is better. Click a cell to see the two case by case.`;
  const head = el("tr", {}, el("th", { scope: "col" }, ""), ...order.map((arm, place) => el("th", { scope: "col", title: group().arms[arm].name }, String(place + 1))));
  const rows = order.map((one, place) => el("tr", {}, el("th", { scope: "row" }, `${place + 1}. `, named(one)), ...order.map((two) => cell(one, two))));
  $("pairs").replaceChildren(el("thead", {}, head), el("tbody", {}, ...rows));
}

function cell(one, two) {
  const found = pair(one, two);
  const difference = found?.difference;
  if (!defined(difference)) return el("td", { className: "cell" }, "");
  const text = `${difference > 0 ? "+" : ""}${number(difference)}`;
  const open = el("button", { type: "button", className: "plain", title: alike(one, two) ? "identical in every case" : `p ${equals(found.adjusted)}` }, text);
  open.onclick = () => { [state.first, state.second] = [two, one]; drawScatter().then(() => $("pair").scrollIntoView()); };
  const { sure } = found;
  open.style.color = sure ? css(difference * metric().better > 0 ? "--good" : "--bad") : css("--muted");
  open.style.fontWeight = sure ? 650 : 400;
  return el("td", { className: "cell" }, open);
}

sections.push(drawAlarms, drawSubgroups, drawSeeds, drawMatrix);
