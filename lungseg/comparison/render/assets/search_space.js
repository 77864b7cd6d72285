// Parallel coordinates and slices: what the trials were set to, against what they came to.
const parallel = { lines: [], axes: [] };
const SETTINGS = SEARCH.parameters.length;

const begun = (trial) => trial.params.some(defined);
const complete = (trial) => trial.state === "complete";

// Axes side by side; on a narrow screen below one another, read from left to right.
parallel.upright = () => innerWidth > 720 && $("parallel").clientWidth / (SETTINGS + SEARCH.objectives.length) > 62;
parallel.height = () => (parallel.upright() ? 400 : 30 + 58 * (SETTINGS + SEARCH.objectives.length));

parallel.base = (pen, width, height) => {
  const scales = SEARCH.parameters.map((one, place) => ({ name: one.name, ...scaleOf(SEARCH.trials.filter(begun).map((trial) => trial.params[place]), one) }));
  SEARCH.objectives.forEach((one, at) => {
    const values = SEARCH.trials.filter(complete).map((trial) => trial.values[at]);
    scales.push({ name: one.name, better: one.better, ...scaleOf(fenced(values, one.better).filter(defined)), gap: values.length < SEARCH.trials.filter(begun).length });
  });
  const upright = parallel.upright();
  const gap = scales.some((one) => one.gap);
  const area = upright ? { from: 14, to: width - 70, low: height - (gap ? 46 : 16), high: 50, absent: height - 14 } : { from: 30, to: height - 34, low: gap ? 62 : 12, high: width - 14, absent: 22 };
  const step = (area.to - area.from) / Math.max(scales.length - 1, 1);
  const at = (axis, share) => {
    const [along, level] = [area.from + axis * step, share === null ? area.absent : area.low + share * (area.high - area.low)];
    return upright ? [along, level] : [level, along];
  };
  const share = (scale, value) => (defined(value) ? scale.at(value) : null);
  const values = (trial) => [...trial.params, ...SEARCH.objectives.map((_, objective) => valueOf(trial, objective))];
  // Those with the same choice lie beside one another, not on top.
  const aside = (scale, place) => (scale.choices ? (jitterOf(place) * 0.3) / scale.choices.length : 0);
  parallel.lines = SEARCH.trials.map((trial, place) => begun(trial) && values(trial).map((value, axis) => {
    const found = share(scales[axis], value);
    return at(axis, found === null ? null : found + aside(scales[axis], place));
  }));
  Object.assign(parallel, { scales, area, step, sideways: !upright });
  const crowded = SEARCH.trials.length > 200;
  pen.lineJoin = "round";
  parallel.drawn = hunt.ranked.filter((place) => parallel.lines[place]);
  for (const place of [...parallel.drawn].reverse()) {
    const good = hunt.goodness[place];
    pen.globalAlpha = good === null ? (crowded ? 0.08 : 0.35) : crowded ? 0.1 + 0.5 * good ** 6 : 0.8;
    pathOf(pen, parallel.lines[place], good === null ? "#8f8f9a" : shade(good), good === null ? 0.8 : 1.3);
  }
  pen.globalAlpha = 1;
  scales.forEach((scale, axis) => drawAxis(pen, scale, axis, at, { upright, width, step }));
  const few = SEARCH.trials.some((trial) => begun(trial) && !complete(trial));
  $("parallel-legend").replaceChildren(ramp("worst", "best"), swatchOf(marked(), "chosen", "rule"), ...(few ? [swatchOf("#8f8f9a", "without a value", "rule")] : []));
  $("parallel-note").textContent = scales.slice(0, SETTINGS).some((one) => one.gap) ? "“Not set”: parameters that a trial did not have, as they depend on another." : "";
};

const jitterOf = (place) => ((Math.imul(place + 1, 2654435761) >>> 8) % 1000) / 500 - 1;

function drawAxis(pen, scale, axis, at, { upright, width, step }) {
  const last = axis === parallel.scales.length - 1;
  pathOf(pen, [at(axis, 0), at(axis, 1)], css("--muted"), 1.2);
  const room = upright ? (last ? 62 : step - 12) : 0;
  const marks = scale.marks(upright ? 5 : 3);
  if (scale.gap) marks.push([null, scale.better ? "no value" : "not set"]);
  const every = Math.ceil(marks.length / 14);
  const all = upright ? marks.filter(([share], n) => share === null || n % every === 0) : !scale.choices || marks.length < 6 ? marks : marks.filter(([share]) => share === null);
  for (const [share, text] of all) {
    const [x, y] = at(axis, share);
    if (upright) plate(pen, cut(pen, text, room), x + 6, y + 4, "left");
    else plate(pen, cut(pen, text, scale.choices ? (width - 90) / Math.max(marks.length - 1, 1) - 4 : 60), Math.min(Math.max(x, 26), width - 26), y + 16, "center");
    pen.fillStyle = css("--muted");
    pen.beginPath();
    pen.arc(x, y, 2, 0, 7);
    pen.fill();
  }
  const name = scale.better ? `${scale.name} ${scale.better > 0 ? "↑" : "↓"}` : scale.name;
  pen.font = `${scale.better ? 650 : 550} 12.5px system-ui, sans-serif`;
  const [x, y] = at(axis, upright ? 1 : 0);
  if (upright) {
    const edge = axis === 0 ? "left" : last ? "right" : "center";
    plate(pen, cut(pen, name, (edge === "center" ? 1.4 : 1.3) * step - 8), axis === 0 ? 2 : last ? width - 2 : x, axis % 2 ? 16 : 34, edge, css("--ink"));
  } else plate(pen, cut(pen, name, width - 20), 8, y - 9, "left", css("--ink"));
  pen.font = "12.5px system-ui, sans-serif";
}

// Words that stay readable on lines.
function plate(pen, text, x, y, align, ink = css("--muted")) {
  const width = pen.measureText(text).width;
  pen.globalAlpha = 0.82;
  pen.fillStyle = css("--card");
  pen.fillRect(x - (align === "left" ? 0 : align === "right" ? width : width / 2) - 2, y - 12, width + 4, 16);
  pen.globalAlpha = 1;
  pen.textAlign = align;
  pen.fillStyle = ink;
  pen.fillText(text, x, y);
}

parallel.over = (pen, place, ink) => {
  const line = parallel.lines[place];
  if (!line) return;
  pathOf(pen, line, css("--card"), 5.5);
  pathOf(pen, line, ink, 2.6);
  for (const [x, y] of line) spot(pen, x, y, ink, 4);
};

// Between two axes: the line that is nearest there; of several, the best.
parallel.find = (x, y, reach) => {
  const [along, level] = parallel.sideways ? [y, x] : [x, y];
  const last = parallel.scales.length - 1;
  const axis = Math.min(Math.max(Math.floor((along - parallel.area.from) / parallel.step), 0), Math.max(last - 1, 0));
  const part = Math.min(Math.max((along - parallel.area.from) / parallel.step - axis, 0), 1);
  let [best, distance] = [-1, reach];
  for (const place of parallel.drawn) {
    const ends = [parallel.lines[place][axis], parallel.lines[place][Math.min(axis + 1, last)]].map((point) => point[parallel.sideways ? 0 : 1]);
    const steep = (ends[1] - ends[0]) / parallel.step;
    const away = Math.abs(ends[0] + part * (ends[1] - ends[0]) - level) / Math.sqrt(1 + steep * steep);
    if (away < distance - 0.25) [best, distance] = [place, away];
  }
  return best;
};

function slice(place) {
  const view = { points: [], height: () => (innerWidth > 720 ? 210 : 170), find: (...at) => closest(view.points, ...at), over: (...args) => spots(view.points, ...args) };
  view.base = (pen, width, height) => {
    const { name, log, choices } = SEARCH.parameters[place];
    const shown = hunt.ranked.filter((one) => hunt.goodness[one] !== null).reverse();
    const objective = SEARCH.objectives[hunt.objective];
    const x = scaleOf(shown.map((one) => SEARCH.trials[one].params[place]), { log, choices, room: 0.04 });
    const y = scaleOf(fenced(shown.map((one) => valueOf(SEARCH.trials[one])), objective.better).filter(defined), { room: 0.06 });
    const area = { left: beside(pen, y), right: width - (x.gap ? 58 : 8), top: 28, bottom: height - 26 };
    chartFrame(pen, area, { x, y, across: "", up: "" });
    pen.fillStyle = css("--ink");
    pen.font = "600 12.5px system-ui, sans-serif";
    pen.fillText(cut(pen, name, width - 10), 2, 13);
    pen.font = "12.5px system-ui, sans-serif";
    pen.fillStyle = css("--muted");
    pen.textAlign = "center";
    if (x.gap) pen.fillText("not set", width - 28, area.bottom + 17);
    const column = (one, value) => (defined(value) ? area.left + (x.at(value) + (choices ? (jitterOf(one) * 0.3) / choices.length : 0)) * (area.right - area.left) : width - 28 + jitterOf(one) * 14);
    view.points = shown.map((one) => [column(one, SEARCH.trials[one].params[place]), area.bottom - y.at(valueOf(SEARCH.trials[one])) * (area.bottom - area.top), one]);
    pen.globalAlpha = 0.85;
    for (const [a, b, one] of view.points) {
      pen.fillStyle = shade(0.2 + (0.8 * one) / Math.max(SEARCH.trials.length - 1, 1));
      pen.beginPath();
      pen.arc(a, b, shown.length > 300 ? 2 : 3.2, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
  };
  return view;
}

const slicesHead = { layers: null, base: () => {
  $("slices-title").textContent = `${SEARCH.objectives[hunt.objective].name} against each parameter`;
  $("slices-legend").replaceChildren(ramp("early", "late"), SEARCH.importances ? "the most important first" : "");
} };

$("slices-block").hidden = !SETTINGS || !SEARCH.trials.some(complete);
$("parallel-block").hidden = !SETTINGS || !SEARCH.trials.length;
if (!$("parallel-block").hidden) mount($("parallel"), "Every trial as a line through its parameters", parallel);
if (!$("slices-block").hidden) {
  SEARCH.parameters.forEach((one, place) => mount($("slices"), `Each trial by ${one.name}`, slice(place), false));
  hunt.views.push(slicesHead);
}
