// All cases under each model: dots, lines that join the same case, or how many there are.
const jitter = (index) => ((Math.imul(index + 1, 2654435761) >>> 8) % 1000) / 1000 - 0.5;

function extent(arrays) {
  let [low, high] = [Infinity, -Infinity];
  for (const values of arrays) for (const value of values) if (!Number.isNaN(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return low > high ? [0, 1] : equal(low, high) ? [low - 0.5, high + 0.5] : [low, high];
}

function quantiles(values) {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  const at = (share) => sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)];
  return sorted.length ? { low: at(0.25), middle: at(0.5), high: at(0.75) } : null;
}

const strip = { points: [], over: -1 };

async function drawStrip() {
  const all = await scores();
  const arms = state.arms;
  const cases = group().ids.length;
  $("scores-note").textContent = arms.length
    ? `One dot per case that has a score${cases <= 400 ? ", lines join the same case" : ", the shape is how many there are"}. White bar: mean over ${over()}; box: the middle half. Point at a dot to follow its case, click to see it.`
    : "Tick models in the leaderboard to see their cases here.";
  const { pen, width, height } = canvas($("strip"), arms.length ? 360 : 20);
  pen.clearRect(0, 0, width, height);
  if (!arms.length) return;
  const [low, high] = extent(arms.map((arm) => all[arm]));
  const y = (value) => 12 + ((high - value) / (high - low)) * (height - 52);
  const left = 44;
  const step = (width - left) / arms.length;
  axis(pen, { low, high, y, left, width });
  const spread = Math.min(step * 0.32, 60);
  const shapes = cases > 400 ? arms.map((arm) => shape(all[arm], [low, high])) : null;
  const reach = (place, value) => (shapes ? step * 0.76 * shapes[place][bin(value, [low, high])] : spread);
  const x = (place, index) => left + (place + 0.5) * step + jitter(index) * reach(place, all[arms[place]][index]);
  if (cases <= 400) pairLines(pen, all, arms, cases, x, y, 0.1);
  strip.points = [];
  arms.forEach((arm, place) => {
    if (shapes) violin(pen, shapes[place], left + (place + 0.5) * step, step * 0.42, y, colour(arm), [low, high]);
    pen.fillStyle = colour(arm);
    pen.globalAlpha = cases > 2000 ? 0.18 : 0.6;
    all[arm].forEach((value, index) => {
      if (Number.isNaN(value)) return;
      strip.points.push([x(place, index), y(value), index, arm]);
      pen.beginPath();
      pen.arc(x(place, index), y(value), cases > 2000 ? 1.6 : 3, 0, 7);
      pen.fill();
    });
    pen.globalAlpha = 1;
    box(pen, quantiles(all[arm]), stats().mean[arm], left + (place + 0.5) * step, y);
    pen.fillStyle = css("--ink");
    pen.textAlign = "center";
    pen.fillText(cut(pen, group().arms[arm].name, step - 8), left + (place + 0.5) * step, height - 12);
  });
  if (strip.over >= 0) follow(pen, all, arms, x, y);
}

function axis(pen, { low, high, y, left, width }) {
  pen.strokeStyle = css("--line");
  pen.fillStyle = css("--muted");
  pen.textAlign = "right";
  for (const value of ticks(low, high)) {
    pen.beginPath();
    pen.moveTo(left, y(value));
    pen.lineTo(width, y(value));
    pen.stroke();
    pen.fillText(short(value), left - 7, y(value) + 4);
  }
}

function pairLines(pen, all, arms, cases, x, y, alpha) {
  pen.strokeStyle = css("--ink");
  pen.globalAlpha = alpha;
  for (let index = 0; index < cases; index++) joined(pen, all, arms, index, x, y);
  pen.globalAlpha = 1;
}

function joined(pen, all, arms, index, x, y) {
  pen.beginPath();
  arms.forEach((arm, place) => (Number.isNaN(all[arm][index]) ? null : pen.lineTo(x(place, index), y(all[arm][index]))));
  pen.stroke();
}

function follow(pen, all, arms, x, y) {
  pen.strokeStyle = css("--accent");
  pen.lineWidth = 2;
  joined(pen, all, arms, strip.over, x, y);
  pen.lineWidth = 1;
}

const BINS = 48;
const bin = (value, [low, high]) => Math.min(Math.floor(((value - low) / (high - low)) * BINS), BINS - 1);

// How many cases there are at each level, from 0 to 1.
function shape(values, range) {
  const counts = new Array(BINS).fill(0);
  for (const value of values) if (!Number.isNaN(value)) counts[bin(value, range)]++;
  const smooth = counts.map((_, at) => (counts[at - 1] || 0) / 4 + counts[at] / 2 + (counts[at + 1] || 0) / 4);
  const most = Math.max(...smooth, 1);
  return smooth.map((count) => count / most);
}

function violin(pen, shares, middle, half, y, ink, [low, high]) {
  pen.fillStyle = ink;
  pen.globalAlpha = 0.22;
  pen.beginPath();
  const level = (at) => y(low + ((at + 0.5) / BINS) * (high - low));
  shares.forEach((share, at) => pen.lineTo(middle + share * half, level(at)));
  shares.map((share, at) => [share, at]).reverse().forEach(([share, at]) => pen.lineTo(middle - share * half, level(at)));
  pen.fill();
  pen.globalAlpha = 1;
}

function box(pen, found, mean, middle, y) {
  if (!found) return;
  pen.strokeStyle = css("--ink");
  pen.strokeRect(middle - 9, y(found.high), 18, y(found.low) - y(found.high));
  if (!defined(mean)) return;
  pen.fillStyle = css("--card");
  pen.fillRect(middle - 13, y(mean) - 2.5, 26, 5);
  pen.strokeRect(middle - 13, y(mean) - 2.5, 26, 5);
}

sections.push(drawStrip);
