// The way through the page, light and dark.
function drawSections() {
  const links = [...document.querySelectorAll("main > section")].filter((one) => !one.hidden).map((one) => el("a", { href: `#${one.id}` }, one.dataset.title));
  $("sections").replaceChildren(...links);
  $("bar").hidden = links.length < 2;
  mark();
}

function mark() {
  const shown = [...document.querySelectorAll("main > section")].filter((one) => !one.hidden);
  const now = shown.filter((one) => one.getBoundingClientRect().top < 180).pop() || shown[0];
  for (const link of $("sections").children) link.setAttribute("aria-current", String(link.hash === `#${now.id}`));
}

function dress(theme) {
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = theme === "dark" ? "Light" : "Dark";
}

$("theme").onclick = () => { dress(document.documentElement.dataset.theme === "dark" ? "light" : "dark"); draw(); };
addEventListener("scroll", mark, { passive: true });
let resizing = 0;
let wide = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === wide) return;
  wide = innerWidth;
  clearTimeout(resizing);
  resizing = setTimeout(draw, 150);
});

dress(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
sections.push(drawSections);
draw().then(() => { document.documentElement.dataset.ready = "true"; });
