// The runs behind the models: curves, settings, commands.
const runsOf = (arm) => group().arms[arm].runs.map((column) => DATA.runs[group().runs[column]]);
const LOSSES = { "val/loss": "validation loss", "train/loss_epoch": "training loss" };

// The score's own curve first: a headline that no case defines has one all the same.
function curveTitles() {
  const measured = new Set(shownArms().flatMap((arm) => runsOf(arm).flatMap((run) => Object.keys(run.curves))));
  const titleOf = (name) => group().metrics.find((one) => one.role === "headline" && `val/${one.score}` === name)?.name || name.replace("val/", "");
  const scores = [...measured].filter((name) => !(name in LOSSES)).map((name) => [name, `validation ${titleOf(name)}`]);
  return Object.fromEntries([...scores, ...Object.entries(LOSSES).filter(([name]) => measured.has(name))]);
}

function drawCurves() {
  const titles = curveTitles(), names = Object.keys(titles);
  $("curves").hidden = !names.length;
  if (!names.length) return;
  if (!names.includes(state.curve)) state.curve = names[0];
  fill($("curve"), names.map((name) => [name, titles[name]]), state.curve);
  const lines = shownArms().flatMap((arm) => runsOf(arm).map((run) => [arm, run, run.curves[state.curve] || []])).filter(([, , points]) => points.length);
  const all = lines.flatMap(([, , points]) => points.map(([, value]) => value));
  const last = Math.max(...lines.map(([, , points]) => points[points.length - 1][0]));
  plot($("lines"), { width: Math.max($("lines").clientWidth, 280), height: 300, xs: [1, Math.max(last, 2)], ys: [Math.min(...all), Math.max(...all)], label: titles[state.curve], across: "epoch", up: titles[state.curve] }, (picture, x, y) => {
    for (const [arm, run, points] of lines) {
      picture.append(line(points, x, y, colour(arm), { opacity: 0.85 }));
      for (const [epoch, value] of points) {
        const dot = svg("circle", { cx: x(epoch), cy: y(value), r: points.length > 60 ? 3 : 4, fill: colour(arm), opacity: points.length > 60 ? 0 : 0.9 });
        dot.addEventListener("pointermove", (event) => tip(`${run.name}\nepoch ${epoch}: ${value.toFixed(4)}`, event));
        dot.addEventListener("pointerleave", (event) => tip("", event));
        picture.append(dot);
      }
    }
  });
  $("lines").append(el("p", { className: "legend" }, ...shownArms().map(named)));
}

const plain = (value) => (value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value));

function drawConfigs() {
  const arms = shownArms();
  const columns = arms.map((arm) => runsOf(arm)[0].config);
  const keys = [...new Set(columns.flatMap((config) => Object.keys(config)))].sort();
  const differ = keys.filter((key) => new Set(columns.map((config) => plain(config[key]))).size > 1);
  $("configs").hidden = arms.length < 2;
  const head = el("tr", {}, el("th", { scope: "col" }, "Key"), ...arms.map((arm) => el("th", { scope: "col" }, named(arm))));
  const rows = differ.map((key) => el("tr", {}, el("th", { scope: "row" }, key), ...columns.map((config) => el("td", {}, plain(config[key])))));
  const none = el("tr", {}, el("td", { colSpan: arms.length + 1 }, "Nothing: these models have the same settings."));
  $("settings").replaceChildren(el("thead", {}, head), el("tbody", {}, ...(rows.length ? rows : [none])));
}

// Commands out of the runs' files are somebody's words, to be read and not to be pasted.
function recorded(run) {
  const said = [run.command, run.judged].filter(Boolean);
  if (!said.length) return [];
  return [el("p", { className: "note" }, "Its own files say that it was trained and judged by:"), el("pre", { tabIndex: 0 }, said.join("\n")), el("p", { className: "note" }, "Judge it again:")];
}

function drawReproduce() {
  const parts = [];
  for (const arm of shownArms()) {
    parts.push(el("h3", {}, named(arm)));
    for (const run of runsOf(arm)) {
      const about = [run.commit ? `code at ${run.commit.slice(0, 10)}${run.dirty ? " with changes" : ""}` : "", run.device, run.epochs ? `${run.epochs} epochs` : "", run.seconds ? `${Math.round(run.seconds)} s of training` : ""].filter(Boolean).join(", ");
      parts.push(el("p", { className: "note" }, `${run.where}${about ? `: ${about}` : ""}`), ...recorded(run), copyable(run.judge));
    }
  }
  $("commands").replaceChildren(...parts, el("h3", {}, "This page again"), copyable(DATA.command), el("h3", {}, "Cite"), copyable(DATA.cite));
}

$("curve").onchange = (event) => { state.curve = event.target.value; drawCurves(); };
sections.push(drawCurves, drawConfigs, drawReproduce);
