// Which parameters mattered, and how the trials learnt.
function drawImportances() {
  const shares = SEARCH.importances;
  if (!shares) {
    $("importances-note").textContent = "Not known: it takes more complete trials, or a search that tells it.";
    return;
  }
  const most = Math.max(...shares.filter(defined), 1e-9);
  $("importances").replaceChildren(...SEARCH.parameters.map((one, at) => [one, shares[at]]).filter(([, share]) => defined(share)).map(([one, share]) => {
    const bar = el("i");
    bar.style.width = `${(100 * share) / most}%`;
    bar.style.background = COLOURS[theme()][0];
    return el("div", { className: "importance" }, el("span", { title: one.name }, one.name), el("span", {}, share > 0 && share < 0.005 ? "< 1%" : `${Math.round(100 * share)}%`), el("div", {}, bar));
  }));
  const rest = shares.filter((share) => !defined(share)).length;
  $("importances-note").textContent = `The share of the differences between trials that each explains; the axes below are in this order.${rest ? ` Of ${rest} it is not known, as not every trial has them or they never varied.` : ""}`;
}

const learning = { points: [], lines: [], height: () => (innerWidth > 720 ? 320 : 280), find: (...at) => closest(learning.points, ...at) };

learning.base = (pen, width, height) => {
    const all = SEARCH.trials.flatMap((trial) => trial.curve);
  const [{ name, better }] = SEARCH.objectives;
  const several = SEARCH.objectives.length > 1;
  const x = scaleOf(all.map(([step]) => step), { room: 0.01 });
  const y = scaleOf(fenced(all.map(([, value]) => value), better), { room: 0.05 });
  const area = { left: beside(pen, y), right: width - 14, top: 26, bottom: height - 40 };
  chartFrame(pen, area, { x, y, across: "epoch", up: several ? "as reported while training" : upward({ name, better }) });
  const to = ([step, value]) => [area.left + x.at(step) * (area.right - area.left), area.bottom - y.at(value) * (area.bottom - area.top)];
  learning.lines = SEARCH.trials.map((trial) => trial.curve.map(to));
  learning.points = learning.lines.flatMap((line, place) => line.map(([a, b]) => [a, b, place]));
  pen.lineJoin = "round";
  pen.globalAlpha = SEARCH.trials.length > 100 ? 0.45 : 0.8;
  for (const place of [...hunt.ranked].reverse()) {
    const line = learning.lines[place];
    if (!line.length) continue;
    const share = hunt.goodness[place];
    const ink = share === null ? INKS[SEARCH.trials[place].state]() : shade(share);
    pathOf(pen, line, ink, share === null ? 1 : 1.5);
    if (share === null || line.length === 1) learningEnd(pen, line[line.length - 1], ink);
  }
  pen.globalAlpha = 1;
  const ended = STATES.slice(1).filter((state) => SEARCH.trials.some((trial) => trial.state === state && trial.curve.length));
  $("trial-curves-legend").replaceChildren(ramp("worst", "best"), ...ended.map((state) => swatchOf(INKS[state](), state === "running" ? "running, so far" : `${state}, where it ended`, "disc")));
};

function learningEnd(pen, [x, y], ink) {
  pen.fillStyle = ink;
  pen.beginPath();
  pen.arc(x, y, 2.6, 0, 7);
  pen.fill();
}

learning.over = (pen, place, ink) => {
  const line = learning.lines[place];
  if (!line.length) return;
  pathOf(pen, line, css("--card"), 5);
  pathOf(pen, line, ink, 2.4);
  spot(pen, ...line[line.length - 1], ink, 4.5);
};

$("importance-block").hidden = !SEARCH.parameters.length || !SEARCH.trials.length;
$("trial-curves-block").hidden = !SEARCH.trials.some((trial) => trial.curve.length);
if (!$("trial-curves-block").hidden) mount($("trial-curves"), "Learning curves of all trials", learning);
hunt.views.push({ layers: null, base: drawImportances });
