// Pictures of cases: decoded when they come into view, drawn with what was found, missed and invented.
const loaded = new Map();

// Image, reference and each run's prediction of the chosen region, as bits.
function picture(index) {
  const key = `picture-${state.group}-${index}`;
  if (!loaded.has(key)) loaded.set(key, $(key) ? read(key) : Promise.resolve(null));
  return loaded.get(key);
}

async function read(key) {
  const [jpeg, masks] = $(key).textContent.trim().split("|");
  const image = new Image();
  image.src = `data:image/jpeg;base64,${jpeg}`;
  await image.decode();
  return { image, bits: new Uint8Array(await inflate(masks)), width: image.naturalWidth, height: image.naturalHeight };
}

// Plane 0 is the reference, 1 + run the predictions; each region has its own planes.
function plane(found, which) {
  const region = group().regions.indexOf(metric().region);
  const bytes = Math.ceil((found.width * found.height) / 8);
  const start = (which * group().regions.length + region) * bytes;
  return (pixel) => (found.bits[start + (pixel >> 3)] >> (7 - (pixel & 7))) & 1;
}

const rgb = (name) => css(name).match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16));

// what: image, reference, or the column of a run whose errors are painted.
function paint(node, found, what, side) {
  const scale = Math.min((side * (devicePixelRatio || 1)) / Math.max(found.width, found.height), 3);
  node.width = Math.round(found.width * scale);
  node.height = Math.round(found.height * scale);
  const pen = node.getContext("2d");
  pen.drawImage(found.image, 0, 0, node.width, node.height);
  if (what === "image" || !state.paint) return;
  const layer = new OffscreenCanvas(found.width, found.height);
  const ink = layer.getContext("2d");
  const pixels = ink.createImageData(found.width, found.height);
  const truth = plane(found, 0);
  const guess = what === "reference" ? null : plane(found, 1 + what);
  const paints = { hit: rgb("--hit"), missed: rgb("--missed"), invented: rgb("--invented"), outline: rgb("--outline") };
  for (let pixel = 0; pixel < found.width * found.height; pixel++) {
    const there = truth(pixel);
    const [x, y] = [pixel % found.width, Math.floor(pixel / found.width)];
    const edge = there && (!x || !y || x === found.width - 1 || y === found.height - 1 || !truth(pixel - 1) || !truth(pixel + 1) || !truth(pixel - found.width) || !truth(pixel + found.width));
    const name = edge ? "outline" : !guess ? null : there ? (guess(pixel) ? "hit" : "missed") : guess(pixel) ? "invented" : null;
    if (name) pixels.data.set([...paints[name], name === "outline" ? 255 : name === "hit" ? 70 : 200], pixel * 4);
  }
  ink.putImageData(pixels, 0, 0);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(layer, 0, 0, node.width, node.height);
}

function tile(index, what, title, value, side) {
  const node = el("canvas", { width: 8, height: 8, role: "img", "aria-label": `${title} of ${group().ids[index]}` });
  const shown = el("figure", {}, node, el("figcaption", { title }, value === null ? title : el("span", {}, el("b", {}, value), " ", title)));
  picture(index).then((found) => found && paint(node, found, what, side));
  return shown;
}

function tiles(index, all, side) {
  if (!$(`picture-${state.group}-${index}`)) {
    return el("p", { className: "note" }, `The page holds pictures of ${group().pictures.length} of ${group().ids.length} cases, not of this one: make it again with pictures=all.`);
  }
  const arms = state.arms.map((arm) => tile(index, group().arms[arm].runs[0], pictured(arm), said(index, all[arm][index]), side));
  return el("div", { className: "tiles" }, tile(index, "image", "image", null, side), tile(index, "reference", "reference", null, side), ...arms);
}

// What a picture is of: an arm with several seeds is shown by its first.
function pictured(arm) {
  const runs = runsOf(arm);
  return group().arms[arm].name + (runs.length > 1 ? `, seed ${runs[0].seed}` : "");
}

// A score, or what a case without the region shows.
function said(index, value) {
  if (!Number.isNaN(value)) return number(value);
  return group().empty[metric().region][index] ? "no reference" : "–";
}

const ORDERS = [["apart", "most disagreement"], ["worst", "worst first"], ["best", "best first"], ["alarm", "false alarms"], ["name", "by name"]];
const gallery = { order: "apart", label: "", attributes: new Map(), text: "", shown: 8, cases: [] };
state.paint = true;

// The orders that mean something for the ticked models and for the score.
const orders = () => ORDERS.filter(([name]) => (name !== "apart" || state.arms.length > 1) && (name !== "alarm" || ofRole(metric().region, "false_alarm_extent")));
const orderOf = (chosen) => (orders().some(([name]) => name === chosen) ? chosen : orders()[0][0]);

async function ordered(all) {
  const order = orderOf(gallery.order);
  const arms = state.arms;
  const found = group();
  const better = metric().better;
  const alarm = order === "alarm" ? await scores(ofRole(metric().region, "false_alarm_extent").id) : null;
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const value = (index) => {
    const values = arms.map((arm) => (alarm || all)[arm][index]).filter((one) => !Number.isNaN(one));
    if (!values.length || (order === "apart" && values.length < 2)) return NaN;
    if (order === "apart") return Math.max(...values) - Math.min(...values);
    if (order === "alarm") return mean(values) || NaN;
    return mean(values) * better * (order === "worst" ? -1 : 1);
  };
  const wanted = found.attributes.filter((one) => wantedOf(one));
  const fits = (index) => wanted.every((one) => one.groups[one.of[index]] === wantedOf(one)) && (!gallery.label || found.classes[found.label[index]] === gallery.label) && (!gallery.text || found.ids[index].toLowerCase().includes(gallery.text.toLowerCase()));
  const rows = found.ids.map((_, index) => index).filter(fits);
  if (order === "name") return rows.sort((a, b) => found.ids[a].localeCompare(found.ids[b], undefined, { numeric: true }));
  return rows.map((index) => [value(index), index]).filter(([one]) => !Number.isNaN(one)).sort((a, b) => b[0] - a[0] || a[1] - b[1]).map(([, index]) => index);
}

async function drawGallery() {
  fill($("order"), orders(), orderOf(gallery.order));
  fill($("of-class"), [["", "all"], ...group().classes.map((name) => [name, name])], gallery.label);
  drawAttributeFilters();
  gallery.cases = await ordered(await scores());
  gallery.shown = 8;
  $("cards").replaceChildren();
  showMore(await scores(state.metric, true));
}

// One choice for each attribute of the cases, as sex and age.
function drawAttributeFilters() {
  $("of-attributes").replaceChildren(...group().attributes.map((one) => {
    const select = el("select", { id: `of-attribute-${one.name}` });
    select.onchange = () => { gallery.attributes.set(one.name, select.value); drawGallery().then(() => $(select.id).focus()); };
    fill(select, [["", "all"], ...one.groups.filter(Boolean).map((name) => [name, name])], wantedOf(one));
    return el("label", {}, `${titled(one.name)} `, select);
  }));
}

// The group that was chosen; none where the cases that are shown have no such group.
function wantedOf(one) {
  const chosen = gallery.attributes.get(one.name);
  return chosen && one.groups.includes(chosen) ? chosen : "";
}

const titled = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");
const attributesOf = (index) => group().attributes.filter((one) => one.groups[one.of[index]]).map((one) => `${one.name.replaceAll("_", " ")} ${one.groups[one.of[index]]}`);

function showMore(all) {
  const from = $("cards").childElementCount;
  const wanted = gallery.cases.slice(from, gallery.shown);
  $("cards").append(...wanted.map((index) => card(index, all)));
  const left = gallery.cases.length - $("cards").childElementCount;
  $("more").hidden = left <= 0;
  $("more").textContent = `Show more (${left} left)`;
  const held = group().pictures.length < group().ids.length ? ` The page holds pictures of ${group().pictures.length} of ${group().ids.length} cases: those that differ most, fail most, and some by chance.` : "";
  $("gallery-note").textContent = state.arms.length ? `${gallery.cases.length} cases.${held}` : "Tick models in the leaderboard to see them here.";
}

const watching = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) { watching.unobserve(entry.target); entry.target.reveal(); }
}, { rootMargin: "400px" });

function card(index, all) {
  const found = group();
  const open = el("button", { type: "button", className: "plain", onclick: () => openCase(index, gallery.cases) }, found.ids[index]);
  const about = el("span", { className: "muted" }, [found.classes[found.label[index]], found.domains[found.domain[index]], ...attributesOf(index)].filter(Boolean).join(" · "));
  const node = el("div", { className: "card" }, el("div", {}, open, about));
  node.reveal = () => node.append(tiles(index, all, 190));
  watching.observe(node);
  return node;
}

$("order").onchange = (event) => { gallery.order = event.target.value; drawGallery(); };
$("of-class").onchange = (event) => { gallery.label = event.target.value; drawGallery(); };
$("of-case").oninput = (event) => { gallery.text = event.target.value; drawGallery(); };
$("more").onclick = async () => { gallery.shown += 12; showMore(await scores(state.metric, true)); };
sections.push(drawGallery);
