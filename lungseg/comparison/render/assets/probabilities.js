// Calibration and severity: what a clinician would ask of the numbers.
function plot(node, { width, height, xs, ys, label, across, up }, marks) {
  const [left, bottom] = [58, height - 44];
  const x = (value) => left + ((value - xs[0]) / (xs[1] - xs[0] || 1)) * (width - left - 12);
  const y = (value) => bottom - ((value - ys[0]) / (ys[1] - ys[0] || 1)) * (bottom - 10);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  for (const value of ticks(ys[0], ys[1])) {
    picture.append(svg("line", { class: "grid", x1: left, x2: width - 12, y1: y(value), y2: y(value) }));
    picture.append(svg("text", { class: "muted", x: left - 8, y: y(value) + 4, "text-anchor": "end" }, short(value)));
  }
  for (const value of ticks(xs[0], xs[1], width > 500 ? 8 : 5)) picture.append(svg("text", { class: "muted", x: x(value), y: bottom + 20, "text-anchor": "middle" }, short(value)));
  picture.append(svg("text", { class: "muted", x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, across));
  picture.append(svg("text", { class: "muted", transform: `translate(13 ${bottom / 2 + 5}) rotate(-90)`, "text-anchor": "middle" }, up));
  marks(picture, x, y);
  node.replaceChildren(picture);
}

function line(points, x, y, ink, more = {}) {
  return svg("polyline", { points: points.map(([a, b]) => `${x(a)},${y(b)}`).join(" "), fill: "none", stroke: ink, "stroke-width": 2, "stroke-linejoin": "round", ...more });
}

function drawCalibration() {
  const found = group().calibration[metric().region];
  $("probabilities").hidden = !found;
  if (!found) return;
  const width = Math.min($("reliability").clientWidth, 460);
  plot($("reliability"), { width, height: Math.min(width, 380), xs: [0, 1], ys: [0, 1], label: "Reliability", across: "predicted probability", up: "share that is the region" }, (picture, x, y) => {
    picture.append(line([[0, 0], [1, 1]], x, y, css("--muted"), { "stroke-dasharray": "4 4", "stroke-width": 1 }));
    for (const arm of shownArms()) {
      const points = found[group().arms[arm].runs[0]].bins.filter((one) => one !== null);
      picture.append(line(points, x, y, colour(arm)));
      for (const [a, b] of points) picture.append(svg("circle", { cx: x(a), cy: y(b), r: 3, fill: colour(arm) }));
    }
  });
  const head = el("tr", {}, el("th", { scope: "col" }, "Model"), ...["Expected error", "Largest error", "Brier score"].map((name) => el("th", { scope: "col", className: "number" }, name)));
  const rows = shownArms().map((arm) => {
    const one = found[group().arms[arm].runs[0]];
    return el("tr", {}, el("td", {}, named(arm)), ...[one.expected_error, one.maximum_error, one.brier].map((value) => el("td", { className: "number" }, defined(value) ? value.toFixed(4) : "–")));
  });
  const table = el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
  $("calibration").replaceChildren(el("div", { className: "scroll" }, table), el("p", { className: "note" }, "Of an arm's first seed, over all pixels; most of these are easy background, so a small error is no praise."));
}

async function drawSeverity() {
  const region = metric().region;
  const found = group().severity[region];
  $("severity").hidden = !found;
  if (!found) return;
  $("severity-note").textContent = "Across: the infected share of the lungs in the reference. Up: predicted minus reference. Solid: the bias; dashed: 95% of the differences lie between.";
  const [reference, predicted] = await Promise.all(group().amounts[region].map((key) => scores(key, true)));
  const places = shownArms().slice(0, 4).map((arm) => agreement(arm, found[group().arms[arm].runs[0]], reference[arm], predicted[arm]));
  $("agreements").replaceChildren(...places.map(([node]) => node));
  for (const [, finish] of places) finish();
}

function agreement(arm, found, reference, predicted) {
  const holder = el("div");
  const percent = (value) => (defined(value) ? `${(100 * value).toFixed(1)}%` : "–");
  const text = `bias ${percent(found.bias)} [${percent(found.bias_low)}, ${percent(found.bias_high)}], mean absolute error ${percent(found.mean_absolute_error)}, correlation ${defined(found.pearson) ? found.pearson.toFixed(2) : "–"} (concordance ${defined(found.concordance) ? found.concordance.toFixed(2) : "–"})`;
  const node = el("div", {}, el("h3", {}, named(arm), runsOf(arm).length > 1 ? el("span", { className: "muted" }, `, seed ${runsOf(arm)[0].seed}`) : null), el("p", { className: "note" }, text), holder);
  const points = [...reference].map((value, index) => [value, predicted[index] - value, index]).filter(([a, b]) => !Number.isNaN(a) && !Number.isNaN(b));
  const finish = () => {
    const most = Math.max(...points.map(([, away]) => Math.abs(away)), 0.01) * 1.1;
    plot(holder, { width: Math.max(holder.clientWidth, 260), height: 230, xs: [0, Math.max(...points.map(([value]) => value), 0.01)], ys: [-most, most], label: "Bland-Altman", across: "infected share, reference", up: "predicted minus reference" }, (picture, x, y) => {
      for (const [value, dash] of [[found.bias, ""], [found.lower_limit, "5 4"], [found.upper_limit, "5 4"]]) if (defined(value)) picture.append(svg("line", { x1: x(0), x2: x(Math.max(...points.map(([one]) => one), 0.01)), y1: y(value), y2: y(value), stroke: colour(arm), "stroke-dasharray": dash, "stroke-width": 1.5 }));
      for (const [value, away, index] of points) {
        const dot = svg("circle", { cx: x(value), cy: y(away), r: 3.4, fill: colour(arm), opacity: 0.6 }, svg("title", {}, group().ids[index]));
        dot.addEventListener("click", () => openCase(index));
        picture.append(dot);
      }
    });
  };
  return [node, finish];
}

sections.push(drawCalibration, drawSeverity);
