// Two models against one another, and what happens when a dot is pointed at.
const scatter = { points: [] };

async function drawScatter() {
  const arms = group().arms.map((arm, index) => [index, arm.name]);
  fill($("first"), arms, state.first);
  fill($("second"), arms, state.second);
  const all = await scores();
  const [one, two] = [all[state.first], all[state.second]];
  const side = Math.min($("scatter").parentElement.clientWidth / (innerWidth > 720 ? 2.1 : 1), 480);
  const { pen, width, height } = canvas($("scatter"), side);
  pen.clearRect(0, 0, width, height);
  const [low, high] = extent([one, two]);
  const [left, bottom] = [48, height - 38];
  const x = (value) => left + 6 + ((value - low) / (high - low)) * (width - left - 16);
  const y = (value) => bottom - 6 - ((value - low) / (high - low)) * (bottom - 16);
  scatterFrame(pen, { low, high, x, y, left, bottom, width });
  const better = metric().better;
  scatter.points = [];
  one.forEach((value, index) => {
    if (Number.isNaN(value) || Number.isNaN(two[index])) return;
    const gain = (two[index] - value) * better;
    pen.fillStyle = gain > 0 ? colour(state.second) : gain < 0 ? colour(state.first) : "#9a9aa4";
    pen.globalAlpha = one.length > 2000 ? 0.3 : 0.7;
    pen.beginPath();
    pen.arc(x(value), y(two[index]), one.length > 2000 ? 2 : 3.6, 0, 7);
    pen.fill();
    scatter.points.push([x(value), y(two[index]), index]);
  });
  pen.globalAlpha = 1;
  drawDifference();
  drawExtremes(one, two, better);
}

function scatterFrame(pen, { low, high, x, y, left, bottom, width }) {
  axis(pen, { low, high, y, left, width });
  pen.textAlign = "center";
  for (const value of ticks(low, high)) pen.fillText(short(value), x(value), bottom + 14);
  pen.fillStyle = css("--ink");
  pen.fillText(cut(pen, group().arms[state.first].name, width - left), (left + width) / 2, bottom + 32);
  pen.save();
  pen.translate(11, bottom / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText(cut(pen, group().arms[state.second].name, bottom), 0, 0);
  pen.restore();
  pen.strokeStyle = css("--muted");
  pen.setLineDash([4, 4]);
  pen.beginPath();
  pen.moveTo(x(low), y(low));
  pen.lineTo(x(high), y(high));
  pen.stroke();
  pen.setLineDash([]);
}

function drawDifference() {
  const names = group().arms;
  const [one, two] = [state.first, state.second];
  const found = pair(two, one);
  const said = found ? pairedSentence(names[two].name, names[one].name, found) : one === two ? "Choose two different models." : "With so many models, pairs are only compared with the best: see the leaderboard.";
  $("difference").textContent = said;
}

function pairedSentence(first, second, found) {
  const { difference, low, high, adjusted, superiority, sure } = found;
  if (!defined(difference)) return "No case has a score under both.";
  if (alike(state.first, state.second)) return `${first} and ${second} have the same ${metric().name} in every case.`;
  const said = sure ? (difference * metric().better > 0 ? "surely better" : "surely worse") : "not told apart from it";
  return `${first} minus ${second}: ${metric().name} ${difference > 0 ? "+" : ""}${number(difference)} ${interval(low, high)}, p ${equals(adjusted)} corrected for all pairs: ${said}. Better in ${Math.round(superiority * 100)}% of patients.${sure ? luck(state.first, state.second) : ""}${sentenceOf(stats().caution)}`;
}

const equals = (p) => (defined(p) && p >= 0.001 ? `= ${probability(p)}` : probability(p));

// What a difference that is sure is not sure of.
function luck(...arms) {
  return arms.some((arm) => group().arms[arm].runs.length < 2) ? " With one seed, the luck of training is not in it." : "";
}

function drawExtremes(one, two, better) {
  const away = scatter.points.map(([, , index]) => [Math.abs(two[index] - one[index]), index]).filter(([gap]) => gap > 0).sort((a, b) => b[0] - a[0]).slice(0, 10);
  $("extremes-head").hidden = !away.length;
  $("extremes").replaceChildren(...away.map(([, index]) => {
    const gain = (two[index] - one[index]) * better;
    const winner = gain === 0 ? null : gain > 0 ? state.second : state.first;
    const swatch = el("span", { className: "swatch", title: winner === null ? "equal" : `${group().arms[winner].name} is better` });
    if (winner !== null) swatch.style.background = colour(winner);
    const open = el("button", { className: "plain", type: "button", onclick: () => openCase(index, away.map((pair) => pair[1])) }, group().ids[index]);
    return el("li", {}, swatch, open, ` ${number(one[index])} → ${number(two[index])}`);
  }));
}

function nearest(points, event, node) {
  const place = node.getBoundingClientRect();
  const [x, y] = [event.clientX - place.left, event.clientY - place.top];
  let [best, distance] = [null, 144];
  for (const point of points) {
    const away = (point[0] - x) ** 2 + (point[1] - y) ** 2;
    if (away < distance) [best, distance] = [point, away];
  }
  return best;
}

for (const [node, found] of [["strip", strip], ["scatter", scatter]]) {
  $(node).addEventListener("pointermove", (event) => {
    const point = nearest(found.points, event, $(node));
    $(node).style.cursor = point ? "pointer" : "";
    tip(point ? caseTip(point[2]) : "", event);
    if (node === "strip" && (point ? point[2] : -1) !== strip.over) { strip.over = point ? point[2] : -1; drawStrip(); }
  });
  $(node).addEventListener("pointerleave", (event) => { tip("", event); if (strip.over >= 0) { strip.over = -1; drawStrip(); } });
  $(node).addEventListener("click", (event) => { const point = nearest(found.points, event, $(node)); if (point) openCase(point[2]); });
}

function caseTip(index) {
  const found = group();
  return `${found.ids[index]}\n${found.classes[found.label[index]]}`;
}

$("first").onchange = (event) => { state.first = +event.target.value; drawScatter(); };
$("second").onchange = (event) => { state.second = +event.target.value; drawScatter(); };
sections.push(drawScatter);
