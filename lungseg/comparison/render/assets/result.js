// The sentence, the forest plot, the leaderboard.

function drawSentence() {
  const found = stats();
  const parts = found.sentence.split("**");
  $("sentence").replaceChildren(...parts.map((part, place) => (place % 2 ? el("b", {}, part) : part)));
  $("warnings").textContent = `${group().warnings.join(" ")}${sentenceOf(found.caution)}`.trim();
}

// Means and intervals of all arms, best first, on one scale; baselines as dotted lines.
function drawForest() {
  const { mean, low, high, order } = stats();
  const shown = order.slice(0, 40);
  const wide = $("forest").clientWidth > 640;
  const width = Math.max($("forest").clientWidth, 280);
  const left = wide ? 250 : 10;
  const right = wide ? 160 : 12;
  const step = wide ? 27 : 42;
  const height = shown.length * step + 34;
  const base = Object.entries(group().baselines[state.metric] || {}).filter(([, value]) => defined(value));
  const values = shown.flatMap((arm) => [mean[arm], low[arm], high[arm]]).filter(defined);
  const ends = [Math.min(...values), Math.max(...values)];
  const room = (equal(...ends) ? 0.1 : ends[1] - ends[0]) * 0.06;
  const at = (value) => left + ((value - ends[0] + room) / (ends[1] - ends[0] + 2 * room)) * (width - left - right);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${metric().name} of each model with its interval` });
  for (const value of ticks(ends[0], ends[1], wide ? 7 : 4)) {
    picture.append(svg("line", { class: "grid", x1: at(value), x2: at(value), y1: 0, y2: height - 24 }));
    picture.append(svg("text", { class: "muted", x: at(value), y: height - 8, "text-anchor": "middle" }, short(value)));
  }
  let off = "";
  for (const [name, value] of base) {
    if (value < ends[0] - room || value > ends[1] + room) {
      if (name === "mean mask") off = ` The mean mask, ${number(value)}, is off this scale.`;
      continue;
    }
    picture.append(svg("line", { x1: at(value), x2: at(value), y1: 0, y2: height - 24, stroke: "#9a9aa4", "stroke-width": 2, "stroke-dasharray": "2 4" }, svg("title", {}, name)));
  }
  shown.forEach((arm, place) => picture.append(forestRow(arm, place * step, { at, left, width, right, step, wide })));
  $("forest").replaceChildren(picture);
  const { caution, unseen } = stats();
  const hidden = defined(unseen) ? ` A failure that no patient here shows is in no interval: it may befall up to ${Math.round(100 * unseen)}% of patients.` : "";
  $("forest-note").textContent = `Dot: mean over ${over()}. Bar: 95% interval over patients.${sentenceOf(caution)}${hidden} Dotted: baselines that need no model.${off}`;
}

function forestRow(arm, top, { at, width, right, step, wide }) {
  const { mean: means, low, high } = stats();
  const line = top + (wide ? step / 2 : step - 13);
  const row = svg("g");
  const name = group().arms[arm].name;
  const best = arm === stats().order[0] && stats().sure;
  const label = svg("text", { x: wide ? 0 : 2, y: wide ? line + 4 : top + 15, "font-weight": best ? 700 : 400 }, name.length > 38 ? name.slice(0, 37) + "…" : name);
  label.append(svg("title", {}, name));
  row.append(label);
  const said = meanOf(arm);
  row.append(svg("text", { x: width - (wide ? 0 : 2), y: wide ? line + 4 : top + 15, "text-anchor": "end", class: "muted" }, wide || right ? said : said));
  if (!defined(means[arm])) return row;
  if (defined(low[arm])) row.append(svg("line", { x1: at(low[arm]), x2: at(high[arm]), y1: line, y2: line, stroke: colour(arm), "stroke-width": 5, "stroke-linecap": "round", opacity: 0.45 }));
  row.append(svg("circle", { cx: at(means[arm]), cy: line, r: 5.5, fill: colour(arm), stroke: css("--card"), "stroke-width": 1.5 }));
  return row;
}

const WORDS = ["place", "model", "encoder", "transfer"];
const FILTERS = [["model", "Model"], ["transfer", "Pretrained"], ["encoder", "Encoder"]];

function passes(arm) {
  const found = group().arms[arm];
  const text = (state.filters.text || "").toLowerCase();
  return FILTERS.every(([key]) => !state.filters[key] || found[key] === state.filters[key]) && (!text || (found.name + " " + found.where).toLowerCase().includes(text));
}

function drawFilters() {
  const arms = group().arms;
  const choices = FILTERS.map(([key, title]) => {
    const names = [...new Set(arms.map((arm) => arm[key]))].sort();
    const select = el("select", { id: `filter-${key}`, onchange: (event) => { state.filters[key] = event.target.value; drawBoard(); } });
    fill(select, [["", "all"], ...names.map((name) => [name, name])], state.filters[key] || "");
    select.disabled = names.length < 2;
    return el("label", {}, `${title} `, select);
  });
  const text = el("input", { id: "filter-text", type: "search", placeholder: "part of a name", value: state.filters.text || "", autocomplete: "off" });
  text.oninput = () => { state.filters.text = text.value; drawBoard(); };
  $("filters").replaceChildren(...choices, el("label", {}, "Name ", text));
}

// One column: key, heading, value to sort by, cell.
function boardColumns() {
  const found = stats();
  const others = group().metrics.filter((one) => one.region === metric().region && one.id !== state.metric && one.board);
  const arms = group().arms;
  const several = arms.some((arm) => arm.runs.length > 1);
  return [
    ["place", "Rank", (arm) => found.order.indexOf(arm), (arm) => String(found.ranks[arm])],
    ["mean", `${metric().name} [95% CI]`, (arm) => found.mean[arm], meanOf],
    ["versus", "Behind the best", (arm) => Math.abs(found.versus[arm]?.difference ?? 0), behind],
    ["p", "p, corrected", (arm) => found.versus[arm]?.adjusted ?? 2, (arm) => (alike(arm, found.order[0]) ? "–" : probability(found.versus[arm]?.adjusted) + found.identical[arm])],
    ["first", "First in resamples", (arm) => found.first[arm], (arm) => (defined(found.first[arm]) ? `${Math.round(found.first[arm] * 100)}%` : "–")],
    ...(several ? [["seeds", "Seeds", (arm) => arms[arm].runs.length, (arm) => String(arms[arm].runs.length)]] : []),
    ["model", "Net", (arm) => arms[arm].model, (arm) => arms[arm].model],
    ["encoder", "Encoder", (arm) => arms[arm].encoder, (arm) => arms[arm].encoder],
    ["transfer", "Pretrained", (arm) => arms[arm].transfer, (arm) => arms[arm].transfer],
    ...others.map((one) => [one.id, one.name, (arm) => group().stats[one.id].mean[arm], (arm) => number(group().stats[one.id].mean[arm], one)]),
  ];
}

function behind(arm) {
  const versus = stats().versus[arm];
  if (!versus) return "–";
  return alike(arm, stats().order[0]) ? "identical in every case" : `${number(versus.difference)} ${interval(versus.low, versus.high)}`;
}

// An arm's mean and interval.
const meanOf = (arm) => mean(stats().mean[arm], stats().low[arm], stats().high[arm], metric(), stats().effective);
// The same score in every case.
const alike = (one, two) => one !== two && stats().alike[one] === stats().alike[two];

function drawBoard() {
  const found = boardColumns();
  const by = found.find(([key]) => key === state.sort) || found[0];
  const arms = group().arms.map((_, arm) => arm).filter(passes);
  const value = (arm) => by[2](arm) ?? NaN;
  arms.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (typeof x === "string") return state.down ? y.localeCompare(x) : x.localeCompare(y);
    return Number.isNaN(x) ? 1 : Number.isNaN(y) ? -1 : state.down ? y - x : x - y;
  });
  const heads = found.map(([key, title]) => {
    const head = el("th", { scope: "col", className: WORDS.includes(key) ? "" : "number" }, el("button", { type: "button", onclick: () => sortBy(key) }, title));
    if (key === state.sort) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
    return head;
  });
  const body = arms.map((arm) => boardRow(arm, found));
  $("board").replaceChildren(el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Model"), ...heads)), el("tbody", {}, ...body));
  const hidden = group().arms.length - arms.length;
  $("board-note").textContent = `${group().boardNote}${sentenceOf(stats().caution)}${hidden ? ` ${hidden} hidden by the filters.` : ""}`;
}

function sortBy(key) {
  state.down = state.sort === key ? !state.down : ["first", "versus"].includes(key) || (key === "mean" && metric().better > 0);
  state.sort = key;
  drawBoard();
  $("board").querySelector(`th[aria-sort] button`).focus();
}

function boardRow(arm, found) {
  const chosen = state.arms.includes(arm);
  const box = el("input", { type: "checkbox", checked: chosen, "aria-label": `Show ${group().arms[arm].name} in the views below` });
  box.onchange = () => toggle(arm, box);
  const best = arm === stats().order[0] && stats().sure;
  const label = el("label", {}, box, named(arm));
  const cells = found.map(([key, , , cell]) => el("td", { className: `${WORDS.includes(key) ? "" : "number"} ${best && key === "mean" ? "best" : ""}` }, cell(arm)));
  return el("tr", { className: chosen ? "chosen" : "" }, el("td", {}, label, el("small", { title: group().arms[arm].where }, group().arms[arm].where)), ...cells);
}

function toggle(arm, box) {
  if (box.checked && state.arms.length >= MOST) {
    box.checked = false;
    $("board-note").textContent = `At most ${MOST} models at once: take one out first.`;
    return;
  }
  state.arms = box.checked ? [...state.arms, arm] : state.arms.filter((one) => one !== arm);
  draw().then(() => [...$("board").querySelectorAll("input")].find((one) => one.getAttribute("aria-label") === box.getAttribute("aria-label"))?.focus());
}

sections.push(drawSentence, drawForest, drawFilters, drawBoard);
