// The course of a search: values by number or the front, what mattered, learning curves.
const swatchOf = (ink, text, shape = "") => {
  const mark = el("i", { className: shape });
  mark.style[shape === "ring" || shape === "rule" ? "borderColor" : "background"] = ink;
  return el("span", {}, mark, text);
};

function ramp(from, to) {
  const mark = el("i", { className: "ramp" });
  mark.style.background = `linear-gradient(90deg, ${RAMP[theme()].join(", ")})`;
  return el("span", {}, `${from} `, mark, ` ${to}`);
}

// Grid, words at both axes; the name of the upward axis stands on top of it.
function chartFrame(pen, { left, right, top, bottom }, { x, y, across, up }) {
  pen.strokeStyle = css("--line");
  pen.fillStyle = css("--muted");
  pen.lineWidth = 1;
  pen.textAlign = "right";
  for (const [share, text] of y.marks(5)) {
    const level = bottom - share * (bottom - top);
    pen.beginPath();
    pen.moveTo(left, level);
    pen.lineTo(right, level);
    pen.stroke();
    pen.fillText(text, left - 7, level + 4);
  }
  const crowded = x.choices && (right - left) / x.choices.length < 30;
  const marks = crowded ? [[0.5, `${x.choices.length} choices`]] : x.marks(right - left > 500 ? 8 : 4);
  const step = (right - left) / Math.max(marks.length, 1);
  for (const [share, text] of marks) {
    const said = x.choices ? cut(pen, text, step - 6) : text;
    const half = pen.measureText(said).width / 2;
    pen.textAlign = "center";
    pen.fillText(said, Math.min(Math.max(left + share * (right - left), left - 30 + half), right + 10 - half), bottom + 17);
  }
  pen.textAlign = "right";
  pen.fillText(cut(pen, across, right - left), right, bottom + 34);
  pen.textAlign = "left";
  pen.fillStyle = css("--ink");
  pen.fillText(cut(pen, up, right - 6), 2, 13);
}

// Room for the words at an upward axis.
const beside = (pen, y) => Math.max(38, ...y.marks(5).map(([, text]) => pen.measureText(text).width + 12));
const upward = (one) => `${one.name} (${one.better > 0 ? "higher" : "lower"} is better)`;

function pathOf(pen, points, ink, width) {
  pen.strokeStyle = ink;
  pen.lineWidth = width;
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
  pen.stroke();
}

const course = { points: [], height: () => (innerWidth > 720 ? Math.min(Math.max(340, 130 + 30 * SEARCH.parameters.length), 500) : 300), find: (...at) => closest(course.points, ...at), over: (...args) => spots(course.points, ...args) };

course.base = (pen, width, height) => {
  const several = SEARCH.objectives.length > 1;
  $("course-title").textContent = several ? "The front: what one objective costs in the other" : "The course of the search";
  (several ? drawFront : drawHistory)(pen, width, height);
};

const INKS = { complete: () => COLOURS[theme()][0], pruned: () => "#8f8f9a", failed: () => css("--bad"), running: () => COLOURS[theme()][2], waiting: () => COLOURS[theme()][5] };

function drawHistory(pen, width, height) {
  const [objective] = SEARCH.objectives;
  const again = SEARCH.retrained;
  const values = SEARCH.trials.map((trial) => valueOf(trial) ?? lastOf(trial));
  const y = scaleOf(fenced([...values, ...(again ? again.all : [])], objective.better).filter(defined), { room: 0.06 });
  const area = { left: beside(pen, y), right: width - (again ? 84 : 12), top: 26, bottom: height - 62 };
  const x = scaleOf([0, Math.max(...SEARCH.trials.map((trial) => trial.number), 1)], { room: 0.015 });
  const toX = (number) => area.left + x.at(number) * (area.right - area.left);
  const toY = (value) => area.bottom - y.at(value) * (area.bottom - area.top);
  chartFrame(pen, area, { x: { ...x, marks: () => [] }, y, across: "", up: upward(objective) });
  chartFrame(pen, { ...area, bottom: height - 38 }, { x, y: { marks: () => [] }, across: "trial", up: "" });
  bestSoFar(pen, toX, toY, area.right, objective.better);
  course.points = SEARCH.trials.map((trial, place) => [toX(trial.number), defined(values[place]) ? toY(values[place]) : height - 48, place]);
  const small = SEARCH.trials.length > 300 ? 2.4 : 3.8;
  SEARCH.trials.forEach((trial, place) => markTrial(pen, course.points[place], trial.state, small));
  if (again) drawAgain(pen, again, area, toX, toY);
  const counts = STATES.map((state) => [state, SEARCH.trials.filter((trial) => trial.state === state).length]).filter(([, count]) => count);
  const best = SEARCH.best.length ? [swatchOf(css("--ink"), "best so far", "rule")] : [];
  $("course-legend").replaceChildren(...counts.map(([state, count]) => swatchOf(INKS[state](), `${count} ${state}`, state === "complete" ? "disc" : state === "failed" ? "cross" : "ring")), ...best);
  const off = y.ends && y.ends[0] <= y.ends[1] ? values.filter((value) => defined(value) && (value - (objective.better > 0 ? y.ends[0] : y.ends[1])) * objective.better < 0).length : 0;
  const early = counts.some(([state]) => state === "pruned") ? "A pruned trial is at the last value that it came to. " : "";
  $("course-note").textContent = `${early}${off ? `${off} far worse than the others ${off > 1 ? "are" : "is"} drawn at the edge. ` : ""}${again ? "Right: the best one, retrained; a dot for each seed, ± is the standard deviation between them." : ""}`;
}

function markTrial(pen, [x, y], state, radius) {
  pen.strokeStyle = pen.fillStyle = INKS[state]();
  pen.globalAlpha = state === "complete" ? 0.7 : 0.9;
  pen.lineWidth = 1.4;
  pen.beginPath();
  if (state === "failed") {
    for (const side of [-1, 1]) { pen.moveTo(x - radius, y - side * radius); pen.lineTo(x + radius, y + side * radius); }
    pen.stroke();
  } else {
    pen.arc(x, y, radius, 0, 7);
    if (state === "complete") pen.fill(); else pen.stroke();
  }
  pen.globalAlpha = 1;
}

function bestSoFar(pen, toX, toY, right, better) {
  const steps = [];
  let top = null;
  for (const trial of SEARCH.trials) {
    const value = valueOf(trial);
    if (!defined(value) || (top !== null && (value - top) * better <= 0)) continue;
    if (top !== null) steps.push([toX(trial.number), toY(top)]);
    steps.push([toX(trial.number), toY(value)]);
    top = value;
  }
  course.steps = steps;
  if (top !== null) pathOf(pen, [...steps, [right, toY(top)]], css("--ink"), 1.6);
}

// From the value as found to what it comes to with other seeds.
function drawAgain(pen, again, area, toX, toY) {
  const ink = COLOURS[theme()][2];
  const middle = area.right + 20;
  pen.setLineDash([5, 4]);
  pathOf(pen, [[toX(again.of), toY(again.mean)], [middle, toY(again.mean)]], ink, 1.6);
  pen.setLineDash([]);
  for (const value of again.all) spot(pen, middle, toY(value), ink, 4);
  pen.fillStyle = ink;
  pen.textAlign = "left";
  pen.fillText("retrained", middle - 14, area.top - 10);
  pen.font = "600 12.5px system-ui, sans-serif";
  again.said.split(" ± ").forEach((text, row) => pen.fillText(row ? `± ${text}` : text, middle + 9, toY(again.mean) + 4 + 15 * row));
  pen.font = "12.5px system-ui, sans-serif";
}

function drawFront(pen, width, height) {
  const trials = SEARCH.trials.map((trial, place) => [trial, place]).filter(([trial]) => trial.state === "complete");
  const [one, two] = SEARCH.objectives;
  const [x, y] = [0, 1].map((at) => scaleOf(fenced(trials.map(([trial]) => trial.values[at]), SEARCH.objectives[at].better), { room: 0.05 }));
  const area = { left: beside(pen, y), right: width - 14, top: 26, bottom: height - 40 };
  const to = (values) => [area.left + x.at(values[0]) * (area.right - area.left), area.bottom - y.at(values[1]) * (area.bottom - area.top)];
  chartFrame(pen, area, { x, y, across: upward(one), up: upward(two) });
  const front = SEARCH.front.map((number) => SEARCH.trials.find((trial) => trial.number === number)).sort((a, b) => a.values[0] - b.values[0]);
  const worse = (at, a, b) => (SEARCH.objectives[at].better > 0 ? Math.min : Math.max)(a, b);
  course.steps = front.flatMap((trial, at) => (at ? [to([0, 1].map((k) => worse(k, trial.values[k], front[at - 1].values[k]))), to(trial.values)] : [to(trial.values)]));
  course.points = trials.map(([trial, place]) => [...to(trial.values), place]);
  const on = (place) => SEARCH.front.includes(SEARCH.trials[place].number);
  for (const point of course.points) if (!on(point[2])) markTrial(pen, point, "complete", trials.length > 300 ? 2.4 : 3.6);
  pathOf(pen, course.steps, css("--ink"), 1.6);
  for (const [a, b, place] of course.points) if (on(place)) spot(pen, a, b, css("--ink"), 5);
  $("course-legend").replaceChildren(swatchOf(css("--ink"), `${front.length} on the front`, "disc"), swatchOf(INKS.complete(), `${trials.length - front.length} beaten by another`, "disc"));
  const rest = SEARCH.trials.length - trials.length;
  $("course-note").textContent = `No trial is better in one objective than one on the front without being worse in the other.${rest ? ` ${rest} without values ${rest > 1 ? "are" : "is"} not shown.` : ""}`;
}

if (SEARCH.trials.length) mount($("course"), SEARCH.objectives.length > 1 ? "The front of the two objectives" : "Value of each trial by its number", course);
$("course-block").hidden = !SEARCH.trials.length;
