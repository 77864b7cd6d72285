// A search over settings: its words, its scales, and the trial that every picture shows.
const SEARCH = DATA.search;
const STATES = ["complete", "pruned", "failed", "running", "waiting"];
// Of trials from the worst to the best, or from the first to the last.
const RAMP = {
  light: ["#bac5d3", "#8fb8dc", "#3585c6", "#0a4f96", "#08264d"],
  dark: ["#566274", "#3f6d99", "#5b9fdc", "#93c6f7", "#d3eaff"],
};
const hunt = { objective: 0, chosen: -1, over: -1, views: [], ranked: [], goodness: [], drawn: "" };

const theme = () => document.documentElement.dataset.theme;
const marked = () => COLOURS[theme()][1];
const valueOf = (trial, objective = hunt.objective) => (trial.state === "complete" ? trial.values[objective] : null);
const trialName = (place) => `Trial ${SEARCH.trials[place].number}`;
const lastOf = (trial) => (trial.values ? trial.values[0] : trial.curve.length ? trial.curve[trial.curve.length - 1][1] : null);

// As the sentence has it.
function told(value) {
  if (!defined(value)) return "–";
  const size = Math.abs(value);
  return size >= 10 ? brief(value, 4) : size >= 0.01 || !size ? value.toFixed(3) : brief(value);
}

function brief(value, digits = 3) {
  const size = Math.abs(value);
  if (size && (size < 1e-3 || size >= 1e6)) return value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e");
  return String(+value.toPrecision(Math.max(digits, Math.floor(Math.log10(size || 1)) + 1)));
}

function setting(place, value, digits = 3) {
  return !defined(value) ? "not set" : SEARCH.parameters[place].choices ? SEARCH.parameters[place].choices[value] : brief(value, digits);
}

function lasted(seconds) {
  if (!defined(seconds)) return "";
  return seconds < 99.5 ? `${+seconds.toPrecision(2)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

// What became of a trial, in words.
function outcome(trial) {
  if (trial.state === "complete") return SEARCH.objectives.map((one, at) => `${one.name} ${told(trial.values[at])}`).join(", ");
  const [step, value] = trial.curve[trial.curve.length - 1] || [];
  return defined(step) ? `${trial.state} at step ${step}, ${told(value)}` : trial.state;
}

function rank() {
  const { better } = SEARCH.objectives[hunt.objective];
  const places = SEARCH.trials.map((_, place) => place);
  const value = (place) => valueOf(SEARCH.trials[place]);
  const complete = places.filter((place) => defined(value(place))).sort((a, b) => (value(b) - value(a)) * better || a - b);
  hunt.ranked = [...complete, ...places.filter((place) => !defined(value(place)))];
  hunt.goodness = new Array(places.length).fill(null);
  complete.forEach((place, at) => { hunt.goodness[place] = complete.length > 1 ? 1 - at / (complete.length - 1) : 1; });
}

// A share from 0 to 1 as a colour.
function shade(share) {
  const stops = RAMP[theme()];
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const [from, part] = [Math.min(Math.floor(at), stops.length - 2), at - Math.min(Math.floor(at), stops.length - 2)];
  const mix = [1, 3, 5].map((digit) => Math.round(parseInt(stops[from].slice(digit, digit + 2), 16) * (1 - part) + parseInt(stops[from + 1].slice(digit, digit + 2), 16) * part));
  return `rgb(${mix})`;
}

// From values to shares of an axis; what lies beyond its ends is drawn at them.
function scaleOf(values, { log = false, choices = null, room = 0 } = {}) {
  const known = values.filter(defined);
  const gap = known.length < values.length;
  if (choices) return { gap, choices, at: (value) => (value + 0.5) / choices.length, marks: () => choices.map((name, place) => [(place + 0.5) / choices.length, name]) };
  const bend = log ? Math.log : (value) => value;
  const ends = known.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  if (!known.length || equal(...ends)) return { gap, ends, at: () => 0.5, marks: () => (known.length ? [[0.5, brief(ends[0])]] : []) };
  const [from, to] = ends.map(bend);
  const at = (value) => Math.min(Math.max((bend(value) - from + (to - from) * room) / ((to - from) * (1 + 2 * room)), 0), 1);
  const whole = known.every(Number.isInteger);
  const wanted = (about) => (log ? decades(...ends) : ticks(...ends, about).filter((value) => !whole || Number.isInteger(value)));
  return { gap, ends, at, marks: (about = 4) => wanted(about).map((value) => [at(value), brief(value)]) };
}

// Powers of ten where there are several, else finer steps.
function decades(low, high) {
  const steps = high / low >= 100 ? [1] : [1, 2, 5];
  const found = [];
  for (let ten = Math.floor(Math.log10(low)); ten <= Math.log10(high); ten++) found.push(...steps.map((step) => +`${step}e${ten}`));
  const inside = found.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
  const every = Math.ceil(inside.length / 6);
  return inside.length > 1 ? inside.filter((_, at) => at % every === 0) : [low, high];
}

// Without what is far worse than most, which would leave no room for the rest.
function fenced(values, better) {
  const sorted = values.filter(defined).map((value) => value * better).sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  const fence = at(0.25) - 3 * (at(0.75) - at(0.25));
  return sorted.length < 5 || equal(at(0.25), at(0.75)) ? values : values.filter((value) => defined(value) && value * better >= fence);
}

// Two layers: all trials, and above them those that are pointed at and chosen. A view has a base, an over and a find.
function mount(holder, label, view, reachable = true) {
  const base = el("canvas", { role: "img", "aria-label": label });
  const over = el("canvas", { className: "over", "aria-hidden": "true" });
  const node = el("div", { className: "view", role: "group", "aria-label": `${label}. Left and right go from trial to trial.` }, base, over);
  if (reachable) node.tabIndex = 0;
  const at = (event) => {
    const place = base.getBoundingClientRect();
    return view.find(event.clientX - place.left, event.clientY - place.top, event.pointerType === "touch" ? 18 : 9);
  };
  node.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return;
    const place = at(event);
    node.style.cursor = place < 0 ? "" : "pointer";
    pointAt(place);
    tip(place < 0 ? "" : trialTip(place), event);
  });
  node.addEventListener("pointerleave", (event) => { pointAt(-1); tip("", event); });
  node.addEventListener("click", (event) => { const place = at(event); if (place >= 0) choose(place); });
  node.addEventListener("keydown", walk);
  holder.append(node);
  hunt.views.push(Object.assign(view, { layers: [base, over] }));
}

function walk(event) {
  const last = SEARCH.trials.length - 1;
  const to = { ArrowLeft: Math.max(hunt.chosen - 1, 0), ArrowRight: Math.min(hunt.chosen + 1, last), Home: 0, End: last }[event.key];
  if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  choose(to);
}

// The nearest of points [x, y, trial].
function closest(points, x, y, reach) {
  let [best, distance] = [-1, reach ** 2];
  for (const [a, b, place] of points) {
    const away = (a - x) ** 2 + (b - y) ** 2;
    if (away < distance) [best, distance] = [place, away];
  }
  return best;
}
