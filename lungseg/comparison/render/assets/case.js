// One case, large, under every chosen model; arrow keys go through the list that it was opened from.
const opened = { index: 0, list: [] };

async function openCase(index, list = gallery.cases) {
  opened.index = index;
  opened.list = list.includes(index) ? list : [index];
  await drawCase();
  if (!$("case").open) $("case").showModal();
}

async function drawCase() {
  const index = opened.index;
  const found = group();
  const all = await scores(state.metric, true);
  const table = await caseTable(index);
  const place = opened.list.indexOf(index);
  const go = (step, text) => el("button", { type: "button", disabled: !(place + step in opened.list), onclick: () => goTo(step) }, text);
  const about = [found.classes[found.label[index]], found.domains[found.domain[index]], ...attributesOf(index), `patient ${found.patients[found.patient[index]]}`].filter(Boolean).join(" · ");
  const switcher = el("label", {}, el("input", { type: "checkbox", checked: state.paint, onchange: (event) => { state.paint = event.target.checked; drawCase(); drawGallery(); } }), "masks");
  const kept = [...$("case-inside").querySelectorAll("button, input")].indexOf(document.activeElement);
  $("case-inside").replaceChildren(
    el("div", { className: "top" }, el("h2", { id: "case-name" }, found.ids[index]), switcher, go(-1, "← Before"), go(1, "Next →"), el("button", { type: "button", onclick: () => $("case").close() }, "Close")),
    el("p", { className: "muted" }, about),
    tiles(index, all, 320),
    el("div", { className: "scroll" }, table),
  );
  if (kept >= 0) $("case-inside").querySelectorAll("button, input")[kept].focus();
}

async function caseTable(index) {
  const kinds = group().metrics.filter((one) => one.region === metric().region);
  const columns = await Promise.all(kinds.map((one) => scores(one.id, true)));
  const there = kinds.map((_, at) => at).filter((at) => state.arms.some((arm) => !Number.isNaN(columns[at][arm][index])));
  const head = el("tr", {}, el("th", { scope: "col" }, "Model"), ...there.map((at) => el("th", { scope: "col", className: "number" }, kinds[at].name)));
  const rows = state.arms.map((arm) => el("tr", {}, el("td", { title: pictured(arm) }, named(arm), runsOf(arm).length > 1 ? el("small", {}, `seed ${runsOf(arm)[0].seed}`) : null), ...there.map((at) => el("td", { className: "number" }, number(columns[at][arm][index], kinds[at])))));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}

function goTo(step) {
  const next = opened.list[opened.list.indexOf(opened.index) + step];
  if (next === undefined) return;
  opened.index = next;
  drawCase();
}

// Of the whole page: what had the focus in the dialog is drawn anew with each case.
document.addEventListener("keydown", (event) => {
  if (!$("case").open) return;
  if (event.key === "ArrowRight") goTo(1);
  if (event.key === "ArrowLeft") goTo(-1);
});
$("case").addEventListener("click", (event) => { if (event.target === $("case")) $("case").close(); });
