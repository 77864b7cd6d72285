"""The page in a real browser: from disk, without a network, as one who reads it uses it."""

import csv
import os
import re
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lungseg.cli.compare import ComparisonOptions, compare
from tests.comparison.runs import family, make_run, people, scores_of

CHROMIUM = os.environ.get("LUNGSEG_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="no chromium: apt-get install chromium, or set LUNGSEG_CHROMIUM to one"
)
HOSTILE = (
    "<img src=x onerror=alert(1)> </script><script>alert(2)</script> </script x <!-- <script y \"a\" 'b' &amp; **c**"
)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Of 60 cases; two tasks, three nets, two seeds."""
    root = tmp_path_factory.mktemp("family")
    compare([family(root / "runs", 60)], root / "out")
    return root / "out" / "comparison.html"


@pytest.fixture
def visit(browser):
    """Opens a page; at the end of the test nothing may have been asked for, said, thrown, or popped up."""
    noise, contexts = [], []

    def visit(file, width=1280, scheme="light", hash=""):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)  # a busy machine is slow, not wrong
        page.on("console", lambda message: noise.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: noise.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (noise.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda one: noise.append(f"request: {one.url[:90]}") if not _local(one.url, file) else None)
        page.goto(file.as_uri() + hash)
        page.wait_for_selector("html[data-ready=true]")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert noise == []


def _local(url, file):
    return url.startswith(("data:", "blob:")) or url.partition("#")[0] == file.as_uri()


@pytest.fixture
def page(visit, file):
    return visit(file)


def settled(page):
    """After a choice: the drawing waits for numbers that are unpacked."""
    page.evaluate("async () => { await draw(); }")


def models(page):
    return [row.inner_text().strip() for row in page.locator("#board tbody td:first-child .named").all()]


def column(page, head):
    heads = [one.inner_text().strip() for one in page.locator("#board thead th").all()]
    place = next(n for n, text in enumerate(heads) if text.startswith(head))
    return [row.inner_text().strip() for row in page.locator(f"#board tbody td:nth-child({place + 1})").all()]


def head(page, name):
    return page.locator("#board thead th", has=page.locator(f"button:text-is('{name}')"))


def pick(page, select, label):
    page.locator(select).select_option(label=label)
    settled(page)


def test_it_opens_alone_from_disk_with_every_section(page):
    assert page.title() == "5 models: both and infection"
    shown = page.locator("main > section:not([hidden])")
    titles = {one.get_attribute("id") for one in shown.all()}
    wanted = {"verdict", "leaderboard", "scores", "pair", "gallery", "alarms", "subgroups", "seeds", "matrix"}
    assert wanted | {"probabilities", "severity", "curves", "configs", "reproduce"} <= titles
    assert "surely better" in page.locator("#sentence").inner_text()
    assert page.locator("#forest circle").count() == 3
    assert page.locator("#lines polyline").count() == 4  # one for each run
    assert "seeds ±" in page.locator("#seed-rows").inner_text()
    assert "model.name" in page.locator("#settings").inner_text()
    assert "seed" not in [one.inner_text() for one in page.locator("#settings th[scope=row]").all()]
    commands = page.locator("#commands").inner_text()
    for said in ("python train.py data=phantom", "python evaluate.py run=", "@software{lungseg", "code at 6b4e479d2d"):
        assert said in commands


def test_a_command_out_of_a_runs_files_is_not_offered_to_be_copied(page):
    offered = page.locator("#commands .copyable pre").all_inner_texts()
    assert not [one for one in offered if "train.py" in one]
    assert any(one.startswith("python evaluate.py run=") for one in offered)
    assert "Its own files say that it was trained and judged by:" in page.locator("#commands").inner_text()


def test_the_numbers_on_the_page_are_those_of_the_table(page, file):
    rows = list(csv.DictReader((file.parent / "comparison.csv").read_text().splitlines()))
    expected = {row["arm"]: float(row["mean"]) for row in rows if (row["task"], row["score"]) == ("infection", "dice")}
    shown = dict(zip(models(page), column(page, "Dice [95% CI]"), strict=True))
    assert {name: text.split()[0] for name, text in shown.items()} == {n: f"{m:.3f}" for n, m in expected.items()}


def test_unpacked_scores_are_those_that_were_judged(page):
    dice = page.evaluate("async () => (await scores('infection/dice')).map((one) => [...one])")
    expected = (scores_of(60, 0.9, seed=1) + scores_of(60, 0.9, seed=2)) / 2
    assert np.allclose(
        np.array([np.nan if v is None else v for v in dice[0]], float), expected, atol=1e-3, equal_nan=True
    )
    alarms = page.evaluate("async () => (await scores('infection/false_alarm')).map((one) => [...one])")
    assert {value for value in alarms[0] if value == value} == {0, 1}
    distances = page.evaluate("async () => (await scores('infection/hd95')).map((one) => [...one])")
    mean = np.nanmean(np.array(distances, float), axis=1)
    shown = page.evaluate("() => group().stats['infection/hd95'].mean")
    assert mean == pytest.approx(shown, abs=1e-3)


def test_the_leaderboard_sorts_by_click_and_by_key(page):
    assert column(page, "Rank") == ["1", "2", "3"]
    assert head(page, "Dice [95% CI]").get_attribute("aria-sort") == "descending"
    for name, cells in (("Recall", "Recall"), ("Net", "Net"), ("HD95", "HD95"), ("False alarms", "False alarms")):
        head(page, name).locator("button").click()
        assert head(page, name).get_attribute("aria-sort") == "ascending"
        assert page.locator("th[aria-sort]").count() == 1
        up = column(page, cells)
        key = (lambda text: text) if name == "Net" else (lambda text: float(text.split()[0]))
        assert up == sorted(up, key=key)
        page.keyboard.press("Enter")  # the head that was clicked keeps the focus
        assert head(page, name).get_attribute("aria-sort") == "descending"
        assert column(page, cells) == up[::-1]
        page.keyboard.press("Space")
        assert head(page, name).get_attribute("aria-sort") == "ascending"


def test_the_leaderboard_filters(page):
    assert len(models(page)) == 3
    for select, value, left in (
        ("#filter-model", "tuned", 1),
        ("#filter-transfer", "scratch", 2),
        ("#filter-encoder", "mit_b0", 1),
    ):
        page.locator(select).select_option(value)
        assert len(models(page)) == left
        assert f"{3 - left} hidden by the filters" in page.locator("#board-note").inner_text()
        page.locator(select).select_option("")
    page.locator("#filter-text").fill("PLAI")
    assert models(page) == ["plain scratch"]
    page.locator("#filter-text").fill("best-0")  # where it lies
    assert models(page) == ["unet scratch"]
    page.locator("#filter-text").fill("nothing")
    assert models(page) == []
    page.locator("#filter-text").fill("")
    assert len(models(page)) == 3


def test_task_data_region_and_score_change_everything(page):
    assert page.locator("#data-set option").count() == 1
    pick(page, "#task", "both")
    assert "lung" in page.locator("#sentence").inner_text()
    assert len(models(page)) == 2
    assert page.locator("#region option").all_inner_texts() == ["lung", "infection"]
    pick(page, "#region", "infection")
    assert "of the infection" in page.locator("#sentence").inner_text()
    pick(page, "#metric", "HD95")
    assert "HD95 of the infection" in page.locator("#sentence").inner_text()
    assert head(page, "HD95 [95% CI]").get_attribute("aria-sort") == "ascending"
    pick(page, "#region", "lung")
    assert "HD95 of the lung" in page.locator("#sentence").inner_text()
    pick(page, "#task", "infection")
    assert "HD95 of the infection" in page.locator("#sentence").inner_text()
    assert len(models(page)) == 3


def click_at(page, node, point):
    page.locator(node).scroll_into_view_if_needed()
    page.locator(node).click(position={"x": point[0], "y": point[1]})
    page.wait_for_selector("dialog[open]")
    return page.locator("#case-name").inner_text()


@pytest.mark.parametrize("node", ["strip", "scatter"])
def test_a_dot_opens_its_case(page, node):
    """The dot that lies farthest from all others, so that none is before it."""
    x, y, index, name = page.evaluate(
        f"""() => {{
          const others = (p) => {node}.points.filter((q) => q !== p);
          const away = (p) => Math.min(...others(p).map((q) => (p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2));
          const point = {node}.points.reduce((a, b) => (away(a) >= away(b) ? a : b));
          return [point[0], point[1], point[2], group().ids[point[2]]];
        }}"""
    )
    assert click_at(page, f"#{node}", (x, y)) == name == f"case-{index:04d}"
    assert page.locator("dialog .tiles figure").count() == 5
    dice = page.evaluate("async (index) => (await scores('infection/dice', true)).map((one) => one[index])", index)
    table = page.locator("dialog table").inner_text()
    assert all(f"{value:.3f}" in table for value in dice)


def test_pointing_at_a_dot_tells_its_case(page):
    x, y, _ = page.evaluate("() => scatter.points[3]")
    page.locator("#scatter").scroll_into_view_if_needed()
    page.locator("#scatter").hover(position={"x": x, "y": y})
    assert re.match(r"case-\d{4}\n", page.locator("#tip").inner_text())
    page.mouse.move(2, 2)
    assert page.locator("#tip").is_hidden()


def test_two_models_can_be_chosen_for_the_scatter(page):
    pick_first = page.locator("#first option").all_inner_texts()
    assert sorted(pick_first) == sorted(models(page))
    page.locator("#first").select_option(label="tuned finetuned")
    page.locator("#second").select_option(label="plain scratch")
    said = page.locator("#difference")
    assert said.inner_text().startswith("plain scratch minus tuned finetuned: Dice")
    assert "not told apart" in said.inner_text()
    page.locator("#second").select_option(label="tuned finetuned")
    assert said.inner_text() == "Choose two different models."
    page.locator("#pairs tbody tr").first.locator("button").last.click()
    settled(page)
    assert "surely better" in said.inner_text()


def test_a_case_from_the_keyboard(page):
    """Enter on a case's name, arrows through the list, Escape back."""
    order = page.evaluate("() => gallery.cases.map((index) => group().ids[index])")
    page.locator(".card button").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    name = page.locator("#case-name")
    assert name.inner_text() == order[0]
    for key, place in (("ArrowLeft", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        page.keyboard.press(key)
        page.wait_for_selector(f"#case-name:text-is('{order[place]}')")
    page.get_by_role("button", name="Next →").click()
    page.wait_for_selector(f"#case-name:text-is('{order[2]}')")
    page.keyboard.press("ArrowRight")  # the button was drawn anew
    page.wait_for_selector(f"#case-name:text-is('{order[3]}')")
    page.keyboard.press("Escape")
    assert not page.locator("dialog").evaluate("(node) => node.open")
    assert page.evaluate("() => document.activeElement.textContent") == order[0]
    page.keyboard.press("ArrowRight")
    assert not page.locator("dialog").evaluate("(node) => node.open")
    page.locator(".card button").nth(1).click()
    page.get_by_role("button", name="← Before").click()  # the first, where there is nothing before
    page.wait_for_selector(f"#case-name:text-is('{order[0]}')")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"#case-name:text-is('{order[1]}')")


def painted(page, place, title):
    """How many pixels of a tile in the dialog have each of the colours."""
    tile = page.locator("dialog figure", has=page.locator(f"figcaption[title^='{title}']")).first
    page.wait_for_selector("dialog figure canvas:not([width='8'])")
    return tile.locator("canvas").evaluate(
        """(node) => {
          const pixels = node.getContext("2d").getImageData(0, 0, node.width, node.height).data;
          const seen = { grey: 0, coloured: 0 };
          for (let at = 0; at < pixels.length; at += 4) {
            const colours = [pixels[at], pixels[at + 1], pixels[at + 2]];
            const apart = Math.max(...colours) - Math.min(...colours);
            seen[apart > 40 ? "coloured" : "grey"] += 1;
          }
          return seen;
        }"""
    )


def test_masks_are_painted_and_can_be_taken_away(page):
    page.locator(".card button").first.click()
    page.wait_for_selector("dialog[open]")
    page.wait_for_timeout(300)
    assert painted(page, 0, "image")["coloured"] == 0
    assert painted(page, 1, "reference")["coloured"] > 100
    assert painted(page, 2, "tuned")["coloured"] > 1000
    page.locator("dialog input[type=checkbox]").uncheck()
    page.wait_for_timeout(300)
    assert painted(page, 2, "tuned")["coloured"] == 0


def test_the_gallery_is_ordered_and_filtered(page):
    dice = page.evaluate("async () => (await scores('infection/dice')).map((one) => [...one])")
    values = np.array(dice, float).T
    known = np.flatnonzero(~np.isnan(values).any(axis=1))
    keys = {
        "most disagreement": -np.ptp(values, axis=1), "worst first": values.mean(axis=1),
        "best first": -values.mean(axis=1),
    }  # fmt: skip
    for label, key in keys.items():
        pick(page, "#order", label)
        found = page.evaluate("() => gallery.cases")
        assert [key[case] for case in found] == pytest.approx(sorted(key[known]))
        first = page.locator(".card button").first.text_content()  # it may be off the screen
        assert first == f"case-{found[0]:04d}"
    pick(page, "#order", "by name")
    assert page.evaluate("() => gallery.cases") == list(range(60))
    page.locator("#of-class").select_option("Normal")
    settled(page)
    assert page.evaluate("() => gallery.cases") == list(range(1, 60, 3))
    page.locator("#of-case").fill("case-000")
    settled(page)
    assert page.evaluate("() => gallery.cases") == [1, 4, 7]
    assert page.locator(".card").count() == 3


def test_pictures_load_as_they_are_seen(page):
    def decoded():
        return page.evaluate("() => loaded.size")

    assert decoded() < 12
    before = decoded()
    for card in page.locator(".card").all():
        card.scroll_into_view_if_needed()
        page.wait_for_timeout(30)
    page.wait_for_timeout(200)
    assert before < decoded() <= 8 or before == decoded() == 8
    page.locator("#more").click()
    page.wait_for_timeout(100)
    assert page.locator(".card").count() == 20
    assert decoded() < 20
    assert page.locator(".card canvas").first.evaluate("(node) => node.width") > 50


def test_false_alarms_have_their_bars_and_cases(page):
    said = page.locator("#alarms").inner_text()
    assert "15 cases have no infection in the reference" in said
    page.locator("#alarm-cases").click()
    page.wait_for_selector("#order:has(option:checked:text-is('false alarms'))", state="attached")
    settled(page)
    found = page.evaluate("() => gallery.cases")
    assert found
    assert all(case % 4 == 0 for case in found)
    area = page.evaluate("async () => (await scores('infection/false_alarm_area')).map((one) => [...one])")
    mean = np.array(area, float).mean(axis=0)
    assert list(mean[found]) == sorted(mean[found], reverse=True)
    page.locator(".card").first.locator(".tiles").first.wait_for()
    assert "no reference" in page.locator(".card").first.text_content()


def test_models_can_be_taken_in_and_out(page):
    boxes = page.locator("#board input[type=checkbox]")
    assert boxes.evaluate_all("(all) => all.map((one) => one.checked)") == [True] * 3
    boxes.nth(2).focus()
    page.keyboard.press("Space")
    settled(page)
    assert page.evaluate("() => state.arms.length") == 2
    assert page.locator("#settings thead th").count() == 3
    boxes.nth(0).uncheck()
    boxes.nth(1).uncheck()
    settled(page)
    assert "Tick models" in page.locator("#scores-note").inner_text()
    boxes.nth(1).check()
    settled(page)
    assert page.evaluate("() => state.arms.length") == 1


def contrast(one, other):
    """Of two colours as CSS computes them, by WCAG."""

    def light(text):
        shares = [int(part) / 255 for part in re.findall(r"\d+", text)[:3]]
        linear = [s / 12.92 if s <= 0.03928 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_follow_the_system_and_can_be_switched(visit, file, scheme):
    page = visit(file, scheme=scheme)
    other = "dark" if scheme == "light" else "light"
    assert page.locator("html").get_attribute("data-theme") == scheme
    for now in (scheme, other):
        colours = page.evaluate(
            """() => ["body", "section", ".note", "#sentence", "nav a", "td small"].map((name) => {
              const node = document.querySelector(name);
              const ground = (one) => getComputedStyle(one).backgroundColor;
              let behind = node;
              while (ground(behind).startsWith("rgba(0, 0, 0, 0")) behind = behind.parentElement;
              return [getComputedStyle(node).color, ground(behind)];
            })"""
        )
        assert all(contrast(*pair) >= 4.5 for pair in colours), colours
        page.locator("#theme").click()
        settled(page)
        assert page.locator("html").get_attribute("data-theme") == ({scheme: other, other: scheme}[now])


def test_a_phone_needs_no_sideways_scrolling(visit, file):
    page = visit(file, width=390)

    def across():
        return page.evaluate("() => document.documentElement.scrollWidth")

    assert across() <= 390
    for task in ("both", "infection"):
        pick(page, "#task", task)
        assert across() <= 390
    wide = page.evaluate(
        """() => [...document.querySelectorAll("main *")]
          .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, pre, nav, svg"))
          .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    page.locator(".card button").first.click()
    page.wait_for_selector("dialog[open]")
    assert across() <= 390
    assert page.locator("dialog").evaluate("(node) => node.scrollWidth - node.clientWidth") <= 0


def test_everything_that_acts_has_a_name_and_can_be_reached(page):
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, a, canvas, svg[role=img]")].filter((one) => {
          if (one.closest("[hidden]") || one.closest("dialog")) return false;
          const label = one.closest("label");
          const inside = one.tagName === "SELECT" ? "" : one.textContent.trim();
          return !(one.getAttribute("aria-label") || inside || label?.textContent.trim());
        }).map((one) => one.outerHTML.slice(0, 90))"""
    )
    assert nameless == []
    assert page.locator("[tabindex]:not([tabindex='0'])").count() == 0
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    cases = [
        type(case)(id=f"{HOSTILE} {n:04d}", image=case.image, patient=f"{HOSTILE} {n % 5}", label=HOSTILE + str(n % 2),
                   domain=HOSTILE if n % 2 else "other")
        for n, case in enumerate(people(12))
    ]  # fmt: skip
    for seed in range(2):
        make_run(root / "runs" / "<img src=x onerror=alert(3)> \"'" / f"a{seed}", cases, scores_of(12, seed=seed),
                 alarms=np.arange(12), seed=seed, label=HOSTILE, model__name=HOSTILE, model__encoder=HOSTILE,
                 manifest={"command": HOSTILE, "device": HOSTILE, "git": {"commit": HOSTILE}})  # fmt: skip
    make_run(root / "runs" / "b", cases, scores_of(12, seed=3), **{f"model__{HOSTILE.replace('.', '')}": HOSTILE})
    compare([root / "runs"], root / "out", ComparisonOptions(title=HOSTILE), words=["runs", HOSTILE])
    return root / "out" / "comparison.html"


def test_cases_and_groups_are_chosen_by_any_attribute(visit, tmp_path):
    ages = ("20", "60")
    cases = [
        replace(case, attributes=(("sex", "FM"[n % 2]), ("age", ages[n % 3 == 0]), ("constructor", HOSTILE[:30])))
        for n, case in enumerate(people(24))
    ]
    for seed in range(2):
        make_run(tmp_path / "runs" / f"r{seed}", cases, scores_of(24, seed=seed), label=f"r{seed}")
    compare([tmp_path / "runs"], tmp_path / "out", ComparisonOptions(by="sex"))
    page = visit(tmp_path / "out" / "comparison.html")
    headings = page.locator("#subgroup-rows .heading")
    assert [text[:6] for text in headings.all_inner_texts()] == ["sex: F", "sex: M"]
    pick(page, "#subgroup-by", "age")
    assert [text[:10] for text in headings.all_inner_texts()] == ["age: 18-39", "age: 60-79"]
    pick(page, "#subgroup-by", "all")
    assert headings.count() > 4
    pick(page, "#order", "by name")
    pick(page, "#of-attribute-sex", "M")
    assert page.evaluate("() => gallery.cases") == list(range(1, 24, 2))
    pick(page, "#of-attribute-age", "60-79")
    assert page.evaluate("() => gallery.cases") == [3, 9, 15, 21]
    assert "sex M · age 60-79" in page.locator(".card .muted").first.text_content()
    pick(page, "#of-attribute-sex", "all")
    assert page.evaluate("() => gallery.cases") == [0, 3, 6, 9, 12, 15, 18, 21]
    page.locator(".card button").first.click()
    page.wait_for_selector("dialog[open]")
    assert "sex F" in page.locator("dialog .muted").first.inner_text()


def test_names_that_would_run_are_shown_as_text(visit, hostile):
    page = visit(hostile)
    assert page.title() == HOSTILE
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.locator("main img, main script").count() == 0
    assert any(name.startswith(HOSTILE) for name in models(page))
    assert HOSTILE.replace("**", "* *") in page.locator("#sentence").inner_text()
    for said in ("#commands", "#settings", "#subgroup-rows", "#seed-rows", "#pairs", "#board"):
        assert "<img src=x onerror=alert(1)>" in page.locator(said).inner_text(), said
    page.locator("#filter-text").fill("<img src=x")
    page.locator("#filter-encoder").select_option(HOSTILE)
    page.locator("#of-class").select_option(HOSTILE + "1")
    settled(page)
    page.locator(".card button").first.click()
    page.wait_for_selector("dialog[open]")
    assert page.locator("#case-name").inner_text().startswith(HOSTILE)
    assert page.locator("dialog img").count() == 0
    page.wait_for_timeout(200)


def test_awkward_scores_draw_without_an_error(visit, tmp_path):
    """All equal; no reference at all; one patient: each its own task on one page."""
    made = defaultdict(lambda: 0.8, empty=np.nan)
    for task in ("equal", "empty", "single"):
        for number in range(2):
            make_run(tmp_path / "runs" / f"{task}{number}", people(8, 1 if task == "single" else None),
                     np.full(8, made[task]), task__name=task, model__name=f"net{number}", alarms=np.arange(8) % 3,
                     )  # fmt: skip
    compare([tmp_path / "runs"], tmp_path / "out")
    page = visit(tmp_path / "out" / "comparison.html")
    for task in ("equal", "empty", "single"):
        pick(page, "#task", task)
        for score in page.locator("#metric option").all_inner_texts():
            pick(page, "#metric", score)
            assert "NaN" not in page.locator("main").inner_html(), (task, score)
        assert "NaN" not in page.locator("main").inner_text()
        if task == "single":
            assert column(page, "First in resamples") == ["\N{EN DASH}"] * 2


def test_a_region_without_dice_can_be_chosen(visit, tmp_path):
    """Lungs on every case, an infection on none."""
    for number in range(2):
        dice = np.stack([np.full(8, 0.8), np.full(8, np.nan)], axis=1)
        make_run(tmp_path / "runs" / f"{number}", people(8), dice, regions=("lung", "infection"), alarms=np.arange(8),
                 model__name=f"net{number}", task__name="both")  # fmt: skip
    compare([tmp_path / "runs"], tmp_path / "out")
    page = visit(tmp_path / "out" / "comparison.html")
    for region in ("lung", "infection", "lung"):
        pick(page, "#region", region)
        assert f"of the {region}" in page.locator("#sentence").inner_text()
    pick(page, "#metric", "Recall")
    pick(page, "#region", "infection")
    assert "False alarms of the infection" in page.locator("#sentence").inner_text()


def test_many_models_and_many_cases_stay_usable(visit, tmp_path):
    """26 arms of 410 cases: dots become shapes, pairs are of the best, at most eight are shown at once."""
    cases = people(410, 20)
    for number in range(26):
        make_run(tmp_path / "runs" / f"{number:02d}", cases, scores_of(410, 0.9 - number / 100, seed=number),
                 quick=True, pictures=False, model__name=f"net{number:02d}")  # fmt: skip
    compare([tmp_path / "runs"], tmp_path / "out")
    page = visit(tmp_path / "out" / "comparison.html")
    assert len(models(page)) == 26
    assert "the shape is how many" in page.locator("#scores-note").inner_text()
    assert page.locator("#pairs tbody tr").count() == 24
    page.locator("#first").select_option(label="net25")
    assert "With so many models" in page.locator("#difference").inner_text()
    page.locator("#first").select_option(label="net20")
    assert "net00 minus net20" in page.locator("#difference").inner_text()
    boxes = page.locator("#board input[type=checkbox]")
    for place in range(5, 8):
        boxes.nth(place).check()
        settled(page)
    boxes.nth(8).click()
    assert "At most 8 models at once" in page.locator("#board-note").inner_text()
    assert page.evaluate("() => state.arms.length") == 8
    page.locator(".card").first.scroll_into_view_if_needed()
    page.locator(".card").first.get_by_text("make it again with pictures=all").wait_for()  # cards are filled in turn


def test_without_a_script_it_says_what_to_read(browser, file):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(Path(file).as_uri())
    assert "comparison.md" in page.locator("noscript").inner_text()
    context.close()


def often(count):
    """Makes ``people``, of whom the first has more than half of the images."""
    cases = people(count, domains=("north", "south"))
    return [replace(case, patient="often" if n <= count // 2 else case.patient) for n, case in enumerate(cases)]


def test_what_the_numbers_rest_on_is_said_beside_them(visit, tmp_path):
    """Few effective patients, whose mean it is, resamples without a promise, the luck of training."""
    for number, level in enumerate((0.9, 0.5, 0.49)):
        make_run(
            tmp_path / "runs" / f"{number}", often(40), scores_of(40, level, seed=number), model__name=f"net{number}"
        )
    compare([tmp_path / "runs"], tmp_path / "out")
    page = visit(tmp_path / "out" / "comparison.html")
    sentence = page.locator("#sentence").inner_text()
    assert "surely better" in sentence or "cannot be told apart" in sentence
    effective = page.evaluate("() => stats().effective")
    said = f"Fewer than 15 effective patients, so intervals are rough: {int(effective * 10) / 10:g} for Dice."
    for place in ("#forest-note", "#board-note", "#difference"):
        assert said in page.locator(place).inner_text(), place
    assert "effective: intervals are rough" in page.locator("#subgroup-rows").inner_text()
    assert "fewer than 15 effective patients" in page.locator("#alarms-note").inner_text().lower()
    assert "mean over all images" in page.locator("#forest-note").inner_text()
    assert (
        "A failure that no patient here shows is in no interval: it may befall up to "
        in page.locator("#forest-note").inner_text()
    )
    assert "no promise of other patients" in page.locator("#board-note").inner_text()
    assert (
        "exact for models that are exchangeable, not for models of equal" in page.locator("#test-note").text_content()
    )
    assert "other patients it would" not in page.locator("main").inner_text()
    assert re.search(r"0\.0% \[0\.0%, \d+%\]", page.locator("#alarm-bars").inner_text())


def test_means_over_patients_are_said_and_drawn(visit, tmp_path):
    for number in range(2):
        make_run(
            tmp_path / "runs" / f"{number}", often(40), scores_of(40, 0.8, seed=number), model__name=f"net{number}"
        )
    compare([tmp_path / "runs"], tmp_path / "out", ComparisonOptions(weight="patients"))
    page = visit(tmp_path / "out" / "comparison.html")
    assert "Dot: mean over the patients' means, each patient once." in page.locator("#forest-note").inner_text()
    assert "the runs were judged with weight=images" in page.locator("#warnings").inner_text()
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").read_text().splitlines()))
    expected = {row["arm"]: f"{float(row['mean']):.3f}" for row in rows if row["score"] == "dice"}
    shown = dict(zip(models(page), column(page, "Dice [95% CI]"), strict=True))
    assert {name: text.split()[0] for name, text in shown.items()} == expected
    assert {row["weight"] for row in rows} == {"patients"}


def test_identical_runs_are_shown_as_such(visit, tmp_path):
    for number, level in enumerate((0.8, 0.8, 0.4)):
        make_run(tmp_path / "runs" / f"{number}", people(24), scores_of(24, level), model__name=f"n{number}")
    compare([tmp_path / "runs"], tmp_path / "out")
    page = visit(tmp_path / "out" / "comparison.html")
    assert "n0 and n1 have the same Dice of the infection in every case" in page.locator("#sentence").inner_text()
    assert column(page, "Behind the best")[1] == "identical in every case"
    assert column(page, "Rank") == ["1", "1", "3"]
    page.locator("#first").select_option(label="n0")
    page.locator("#second").select_option(label="n1")
    assert page.locator("#difference").inner_text() == "n1 and n0 have the same Dice in every case."
    assert not page.locator("#extremes-head").is_visible()
    assert page.locator("#extremes li").count() == 0
    page.locator("#second").select_option(label="n2")
    assert page.locator("#extremes-head").is_visible()


def test_identical_runs_behind_the_best_and_few_patients_are_told_at_the_top(visit, tmp_path):
    for number, level in enumerate((0.8, 0.4, 0.4)):
        make_run(tmp_path / "runs" / f"{number}", people(4), scores_of(4, level), model__name=f"n{number}")
    compare([tmp_path / "runs"], tmp_path / "out")
    page = visit(tmp_path / "out" / "comparison.html")
    sentence = page.locator("#sentence").inner_text()
    assert "Identical in every case, at rank 2: n1 and n2." in sentence
    assert "nothing could be sure" in sentence
    assert "resamples" not in sentence
    assert [text.endswith("(identical, rank 2)") for text in column(page, "p, corrected")] == [False, True, True]
    assert "Fewer than 15 effective patients, so intervals are rough" in page.locator("#warnings").inner_text()


def test_sure_on_the_page_is_what_the_one_definition_says(page):
    """The page decides nothing by itself."""
    found = page.evaluate("() => stats().pairs")
    assert found["sure"] == [
        [one != two and found["adjusted"][one][two] < 0.05 and found["low"][one][two] * found["high"][one][two] > 0
         for two in range(3)] for one in range(3)
    ]  # fmt: skip
    assert page.evaluate("() => stats().versus.map((one) => one && one.sure)").count(True) == 2
    page.evaluate("() => { stats().pairs.sure = stats().pairs.sure.map((row) => row.map(() => false)); drawMatrix(); }")
    weights = page.locator("#pairs td button").evaluate_all("(all) => all.map((one) => one.style.fontWeight)")
    assert set(weights) == {"400"}


def test_a_model_alone_shows_its_cases_the_worst_first(visit, tmp_path):
    cases, dice = people(12), scores_of(12, level=0.9, empty=13)
    dice[0], dice[5] = 0.9, 0.1
    for seed in (0, 1):
        make_run(tmp_path / "runs" / str(seed), cases, dice, seed=seed)
    compare([tmp_path / "runs"], tmp_path / "out")
    page = visit(tmp_path / "out" / "comparison.html")
    page.wait_for_selector("#cards .card", state="attached")
    assert page.locator("#gallery-note").inner_text() == "12 cases."
    assert page.locator("#order option").all_inner_texts()[0] == "worst first"
    assert page.locator("#cards .card button").first.inner_text() == cases[5].id
