"use strict";
// State, small helpers, and the decoding of what lies in the page. Names are only ever set as text, never as markup.
const DATA = JSON.parse(document.getElementById("data").textContent);
// Okabe and Ito's, darker on white and lighter on black.
const COLOURS = {
  light: ["#0a72b8", "#d4600e", "#0a9a72", "#b8569a", "#b88a00", "#5a5fd0", "#4aa3d8", "#7d7d7d"],
  dark: ["#4fa8e8", "#f28a3c", "#2fc597", "#e38cc3", "#e3b83a", "#9a9df5", "#8fd0f5", "#b0b0b0"],
};
const MOST = COLOURS.light.length;
const state = { group: 0, metric: "", arms: [], first: 0, second: 1, sort: "mean", down: true, filters: {} };
const sections = []; // functions that draw, called after any choice

const $ = (id) => document.getElementById(id);

function el(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in node && key !== "list") node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function svg(name, properties = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(properties)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const group = () => DATA.groups[state.group];
const metric = () => group().metrics.find((one) => one.id === state.metric);
const stats = () => group().stats[state.metric];
// What a score of a region may be used as is said by its role; undefined where there is none.
const ofRole = (region, role) => group().metrics.find((one) => one.region === region && one.role === role);
const statsOf = (region, role) => group().stats[ofRole(region, role)?.id];
// Of two arms, the first minus the second; null where they were not compared.
function pair(one, two) {
  const found = stats().pairs;
  const [row, column] = [found.arms.indexOf(one), found.arms.indexOf(two)];
  if (row < 0 || column < 0 || row === column) return null;
  return Object.fromEntries(Object.entries(found).filter(([name]) => name !== "arms").map(([name, square]) => [name, square[row][column]]));
}

const colour = (arm) => (state.arms.includes(arm) ? COLOURS[document.documentElement.dataset.theme][state.arms.indexOf(arm) % MOST] : "#9a9aa4");
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const defined = (value) => value !== null && value !== undefined && !Number.isNaN(value);

function number(value, kind = metric()) {
  return defined(value) ? rounded(value, kind.digits) + (kind.unit ? " " + kind.unit : "") : "–";
}

// Never -0.000.
const rounded = (value, digits) => (Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value).toFixed(digits);

function interval(low, high, kind = metric()) {
  return defined(low) && defined(high) ? `[${rounded(low, kind.digits)}, ${rounded(high, kind.digits)}]` : "";
}

// What is said where the scores are all equal and there is nothing to resample.
const mean = (value, low, high, kind = metric(), patients = 2) => `${number(value, kind)} ${defined(value) && !defined(low) && patients > 1 ? "(all equal)" : interval(low, high, kind)}`.trim();
const sentenceOf = (text) => (text ? ` ${text[0].toUpperCase()}${text.slice(1)}.` : "");
const over = () => (group().weight === "patients" ? "the patients' means, each patient once" : "all images, so that a patient with many of them counts more");

function probability(p) {
  return !defined(p) ? "–" : p < 0.001 ? "< 0.001" : p.toFixed(3);
}

function named(arm) {
  const swatch = el("span", { className: "swatch" });
  if (state.arms.includes(arm)) swatch.style.background = colour(arm);
  const name = group().arms[arm].name;
  return el("span", { className: "named", title: name }, swatch, el("span", {}, name));
}

function fill(select, options, value) {
  select.replaceChildren(...options.map(([key, text]) => el("option", { value: String(key) }, text)));
  select.value = String(value);
  select.disabled = options.length < 2;
}

async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

const columns = new Map();

// Scores by arm, [arms][cases]: a mean over the arm's seeds; with firsts: of its first seed alone, which is the one
// that is shown as a picture. Decoded when first asked for.
async function scores(metricId = state.metric, firsts = false) {
  const key = `scores-${state.group}-${metricId}`;
  if (!columns.has(key)) {
    const of = group();
    columns.set(key, unpack($(key).textContent).then((values) => byArm(values, of)));
  }
  return (await columns.get(key))[firsts ? "first" : "mean"];
}

// Whole numbers of 16 bits up to the greatest value, the last of them NaN; floats where that is told as 0.
async function unpack(text) {
  const [most, packed] = text.split("|");
  const buffer = await inflate(packed);
  if (+most === 0) return new Float32Array(buffer);
  return Float32Array.from(new Uint16Array(buffer), (step) => (step === 65535 ? NaN : (step / 65534) * most));
}

function byArm(values, of) {
  const cases = of.ids.length;
  const column = (run) => values.subarray(run * cases, (run + 1) * cases);
  const first = of.arms.map((arm) => column(arm.runs[0]));
  const mean = of.arms.map((arm, place) => {
    if (arm.runs.length === 1) return first[place];
    const sum = new Float32Array(cases);
    for (const run of arm.runs) column(run).forEach((value, index) => { sum[index] += value / arm.runs.length; });
    return sum;
  });
  return { first, mean };
}

let drawing = 0;

// Every view again, after a choice; an older drawing that is still waiting for its numbers is dropped.
async function draw() {
  const turn = ++drawing;
  for (const section of sections) {
    await section();
    if (turn !== drawing) return;
  }
}

function chooseGroup(index) {
  const before = metric();
  state.group = index;
  const alike = group().metrics.find((one) => before && one.score === before.score);
  chooseMetric((metric() || alike || group().metrics[0]).id);
  const order = stats().order;
  state.arms = order.slice(0, Math.min(order.length, 5));
  state.first = order[1] ?? order[0];
  state.second = order[0];
  state.filters = {};
}

function chooseMetric(id) {
  state.metric = id;
  state.sort = "mean";
  state.down = metric().better > 0;
}

function copyable(text) {
  const button = el("button", { type: "button" }, "Copy");
  button.onclick = async () => {
    try { await navigator.clipboard.writeText(text); } catch { getSelection().selectAllChildren(button.nextSibling); }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  };
  return el("div", { className: "copyable" }, button, el("pre", { tabIndex: 0 }, text));
}

function tip(text, event) {
  const box = $("tip");
  box.hidden = !text;
  if (!text) return;
  box.textContent = text;
  const right = event.clientX + 14 + box.offsetWidth > innerWidth;
  box.style.left = `${Math.max(right ? event.clientX - box.offsetWidth - 10 : event.clientX + 14, 4)}px`;
  box.style.top = `${Math.max(event.clientY - box.offsetHeight - 10, 4)}px`;
}

// A canvas in the page's pixels, sharp on any screen.
function canvas(node, height) {
  const width = node.clientWidth || node.parentElement.clientWidth;
  const scale = devicePixelRatio || 1;
  node.style.height = `${height}px`;
  node.width = Math.round(width * scale);
  node.height = Math.round(height * scale);
  const pen = node.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.font = "12.5px system-ui, sans-serif";
  return { pen, width, height };
}

function cut(pen, text, room) {
  while (text.length > 3 && pen.measureText(text).width > room) text = text.slice(0, -2).replace(/…$/, "") + "…";
  return text;
}

// But for the noise of floating point.
const equal = (low, high) => high - low <= 1e-9 * Math.max(Math.abs(low), Math.abs(high));

// Round steps that cover low..high.
function ticks(low, high, about = 5) {
  const raw = (equal(low, high) ? 1 : high - low) / about;
  const ten = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * ten).find((one) => one >= raw);
  const found = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-6; value += step) found.push(+value.toPrecision(10));
  return found;
}

const short = (value) => (Math.abs(value) >= 1000 ? value.toExponential(0) : String(+value.toFixed(4)));
