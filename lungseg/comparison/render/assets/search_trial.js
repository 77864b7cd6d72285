// The one trial that is chosen: shown below in words, marked in every picture.
function pointAt(place) {
  if (place === hunt.over) return;
  hunt.over = place;
  requestAnimationFrame(drawOver);
}

function choose(place) {
  hunt.chosen = place;
  drawTrial();
  drawOver();
}

function drawOver() {
  for (const view of hunt.views.filter((one) => one.layers)) {
    const { pen, width, height } = canvas(view.layers[1], view.height());
    pen.clearRect(0, 0, width, height);
    pen.lineJoin = "round";
    if (hunt.chosen >= 0) view.over(pen, hunt.chosen, marked());
    if (hunt.over >= 0 && hunt.over !== hunt.chosen) view.over(pen, hunt.over, css("--ink"));
  }
}

// A dot that stands out from its neighbours.
function spot(pen, x, y, ink, radius = 5) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.fillStyle = ink;
  pen.fill();
  pen.lineWidth = 2;
  pen.strokeStyle = css("--card");
  pen.stroke();
}

function spots(points, pen, place, ink) {
  for (const [x, y, of] of points) if (of === place) spot(pen, x, y, ink);
}

function trialTip(place) {
  const trial = SEARCH.trials[place];
  const settings = SEARCH.parameters.map((one, at) => [one.name, trial.params[at], at]).filter(([, value]) => defined(value));
  return [`${trialName(place)}: ${outcome(trial)}`, ...settings.map(([name, value, at]) => `${name} ${setting(at, value)}`)].join("\n");
}

function standing(place) {
  const { number } = SEARCH.trials[place];
  if (SEARCH.front.length > 1) return SEARCH.front.includes(number) ? "on the front" : "";
  const at = hunt.ranked.indexOf(place);
  const complete = hunt.goodness.filter(defined).length;
  return SEARCH.best.includes(number) ? "best" : hunt.goodness[place] === null ? "" : `${at + 1}. of ${complete}`;
}

function drawTrial() {
  const place = hunt.chosen;
  const box = $("trial");
  if (place < 0) return box.replaceChildren();
  const trial = SEARCH.trials[place];
  const at = hunt.ranked.indexOf(place);
  const go = (step, text) => el("button", { type: "button", disabled: !(at + step in hunt.ranked), onclick: () => choose(hunt.ranked[at + step]) }, text);
  const kept = [...box.querySelectorAll("button")].indexOf(document.activeElement);
  const about = [standing(place), lasted(trial.seconds), trial.where].filter(Boolean).join(" · ");
  const settings = SEARCH.parameters.map((one, parameter) => el("span", { className: defined(trial.params[parameter]) ? "setting" : "setting absent" }, el("span", {}, one.name), " ", el("b", {}, setting(parameter, trial.params[parameter], 5))));
  box.replaceChildren(
    el("div", { className: "top" }, el("p", { role: "status" }, el("i", { className: "dot" }), el("b", {}, trialName(place)), ` ${outcome(trial)} `, el("span", { className: "muted" }, about)), el("div", { className: "steps" }, go(-1, "← Better"), go(1, "Worse →"))),
    el("div", { className: "settings", tabIndex: 0, role: "region", "aria-label": "Its parameters" }, ...settings),
  );
  box.querySelector(".dot").style.background = marked();
  if (kept >= 0) ([...box.querySelectorAll("button")][kept].disabled ? box.querySelector("button:not(:disabled)") : box.querySelectorAll("button")[kept])?.focus();
}

// Built when it is opened; the best on top.
function drawTrials() {
  if (!$("all-trials").open) return;
  const heads = ["Trial", "State", ...SEARCH.objectives.map((one) => one.name), ...SEARCH.parameters.map((one) => one.name), "Time"];
  const rows = hunt.ranked.map((place) => {
    const trial = SEARCH.trials[place];
    const open = el("button", { type: "button", className: "plain", title: trial.where, onclick: () => choose(place) }, String(trial.number));
    const values = SEARCH.objectives.map((_, at) => told(trial.state === "complete" ? trial.values[at] : null));
    return el("tr", {}, el("td", {}, open), ...[trial.state, ...values, ...trial.params.map((value, at) => (defined(value) ? setting(at, value, 5) : "–")), lasted(trial.seconds)].map((text) => el("td", {}, text)));
  });
  $("trials").replaceChildren(el("thead", {}, el("tr", {}, ...heads.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, ...rows));
}

// Once for each width, theme and objective: the other choices of the page change nothing here.
function drawSearch() {
  const now = `${innerWidth} ${theme()} ${hunt.objective}`;
  if (now === hunt.drawn) return;
  hunt.drawn = now;
  rank();
  if (hunt.chosen < 0) hunt.chosen = SEARCH.best.length ? SEARCH.trials.findIndex((trial) => trial.number === SEARCH.best[0]) : SEARCH.trials.length - 1;
  for (const view of hunt.views) {
    if (!view.layers) { view.base(); continue; }
    const { pen, width, height } = canvas(view.layers[0], view.height());
    pen.clearRect(0, 0, width, height);
    view.base(pen, width, height);
  }
  drawTrial();
  drawTrials();
  drawOver();
}

function startSearch() {
  const several = SEARCH.objectives.length > 1;
  $("search-sentence").replaceChildren(...SEARCH.sentence.replaceAll(" ± ", "\u00a0±\u00a0").split("**").map((part, place) => (place % 2 ? el("b", {}, part) : part)));
  if (SEARCH.retrain) $("search-retrain").replaceChildren(copyable(SEARCH.retrain));
  $("search-note").textContent = SEARCH.trials.length ? "Point at a trial to see it in every picture, click to keep it in view below; in a picture that has the focus, the left and right keys go from trial to trial." : "";
  $("search-choices").hidden = !several;
  fill($("objective"), SEARCH.objectives.map((one, place) => [place, one.name]), 0);
  $("objective").onchange = (event) => { hunt.objective = +event.target.value; drawSearch(); };
  $("all-trials").addEventListener("toggle", drawTrials);
  if (!DATA.groups.length) $("about").textContent = `${SEARCH.trials.length} trials · ${SEARCH.parameters.length} parameters · ${DATA.made}`;
}

startSearch();
sections.push(drawSearch);
