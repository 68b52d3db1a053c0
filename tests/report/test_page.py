"""The page in a real browser: charts drawn with their data, nothing fetched, all can read it."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.analysis.fleets import a_storm, plan
from tests.report.examples import recommendation
from tests.report.pages import charts, full_dossier, full_page
from tests.report.test_html import node_package
from tests.runs import case_record, run_file
from valkeybench.measurement.metrics import Phase
from valkeybench.report.chart import Shape
from valkeybench.report.dossier import make_dossier
from valkeybench.report.fleet_dossier import fleet_dossier
from valkeybench.report.html.page import page_text
from valkeybench.report.overlay import name_runs
from valkeybench.units import (
    MILLISECOND,
    format_count,
    format_duration,
    format_percent,
    format_rate,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.chromium

NARROWEST, WIDEST = 360, 3840
DRAWN = """() => Object.fromEntries([...document.querySelectorAll(".chart")].map((place) => {
    const option = echarts.getInstanceByDom(place).getOption();
    const series = option.series.filter((each) => each.name);
    return [place.id.slice("chart-".length), {
        series: Object.fromEntries(series.map((each) => [each.name, each.data])),
        paths: [...place.querySelectorAll("svg path")].filter((p) => p.getAttribute("d")).length,
        marks: option.series.flatMap((each) => (each.markLine ? each.markLine.data : [])).length,
        texts: [...place.querySelectorAll("svg text")].map((each) => each.textContent),
    }];
}))"""


MARKED = """(chart) => [...document.querySelectorAll(`#chart-${chart} svg text`)]
    .filter((each) => /: /.test(each.textContent))
    .map((each) => ({text: each.textContent, ...each.getBoundingClientRect().toJSON()}))"""
CHART_INK = "echarts.getInstanceByDom(document.querySelector('.chart')).getOption().textStyle.color"
PAGE_INK = "getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the machine's chromium, once for all tests here."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium: there is none on PATH")
    # Its sandbox will not work for root, and the only page it sees is ours.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the page to a file, as somebody would open it."""
    path: Path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(full_page(), encoding="utf-8")
    return path.as_uri()


@contextmanager
def opened(browser: Browser, address: str, **options: Any) -> Iterator[Page]:  # noqa: ANN401 - a context's
    """Open the page; fail if it says anything, breaks, or asks anybody for anything."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    yield page
    context.close()
    assert ([], [address]) == (said, asked)


def settle(page: Page) -> None:
    """Let the page hear what has changed: it does so before the next frame is drawn."""
    frame = "requestAnimationFrame(() => requestAnimationFrame(done))"
    page.evaluate(f"() => new Promise((done) => {frame})")


@pytest.fixture(scope="module")
def looked_at(browser: Browser, address: str) -> Iterator[Page]:
    """Open the page once, for all who only look at it."""
    with opened(browser, address) as page:
        yield page


def alike(ours: Any, theirs: Any) -> bool:  # noqa: ANN401 - a number, none, or a pair of them
    """Tell whether a value, or a point, is drawn as it is: to what a screen can show."""
    if isinstance(ours, tuple):
        return all(map(alike, ours, theirs))
    return bool(ours is theirs or pytest.approx(ours, rel=1e-5) == theirs)


def test_every_chart_is_drawn_with_its_data(looked_at: Page) -> None:
    """Every series, every point, every mark; as paths that go somewhere."""
    seen = looked_at.evaluate(DRAWN)
    expected = charts(full_dossier())

    assert list(expected) == list(seen)
    for name, chart in expected.items():
        assert {line.name for line in chart.lines} == set(seen[name]["series"])
        for line in chart.lines:
            values = [y for _, y in line.points] if line.shape is Shape.BARS else line.points
            drawn = seen[name]["series"][line.name]
            assert len(values) == len(drawn)
            for ours, theirs in zip(values, drawn, strict=True):
                assert alike(ours, theirs)
        assert len(chart.marks) == seen[name]["marks"]
        assert len(chart.lines) <= seen[name]["paths"]
        assert {mark.label for mark in chart.marks} <= set(seen[name]["texts"])


def marked(page: Page, chart: str) -> list[dict[str, Any]]:
    """Give the names of marks in a chart, and where they stand."""
    found: list[dict[str, Any]] = page.evaluate(MARKED, chart)
    return found


def assert_apart(boxes: list[dict[str, Any]], width: int) -> None:
    """Check that all can be read."""
    for one, other in itertools.combinations(boxes, 2):
        assert (
            one["bottom"] <= other["top"] + 1
            or other["bottom"] <= one["top"] + 1
            or (one["right"] <= other["left"] or other["right"] <= one["left"])
        ), (one, other)
    assert all(box["left"] >= 0 and box["right"] <= width for box in boxes)


@pytest.mark.parametrize("width", [NARROWEST, 1280])
@pytest.mark.parametrize("room", [{"server_memory": 2**30}, {}])
def test_names_of_marks_that_stand_close_do_not_overlap(
    browser: Browser, tmp_path: Path, width: int, room: dict[str, int]
) -> None:
    """On a telephone this fleet and the largest stand side by side; all names stay inside."""
    fleet = plan(None, a_storm(), pods=5, maxclients=10_000, **room)
    path = tmp_path / "plan.html"
    path.write_text(page_text(fleet_dossier(fleet, sources=["a.json"])), encoding="utf-8")
    with opened(browser, path.as_uri(), viewport={"width": width, "height": 800}) as page:
        for name in ("fleet-memory", "fleet-connections"):
            expected = charts(fleet_dossier(fleet, sources=[]))[name].marks
            boxes = marked(page, name)
            assert {mark.label for mark in expected} == {box["text"] for box in boxes}
            assert_apart(boxes, width)


@pytest.mark.parametrize("width", [NARROWEST, 800, 1280])
def test_names_of_recommended_sizes_do_not_overlap(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    """Each stands on the lowest line above the chart on which there is room."""
    distances = {0: 2, 1: 4, 2: 5}
    cases = [
        case_record(max_connections=size, rtt_ns=ms * MILLISECOND)
        for size in (4, 8)
        for ms in distances
    ]
    said = [
        recommendation(max_connections=size, applies_to={"rtt_ns": ms * MILLISECOND})
        for ms, size in distances.items()
    ]
    dossier = make_dossier(name_runs(["run.json"], [run_file(*cases, recommendations=said)]))
    path = tmp_path / "run.html"
    path.write_text(page_text(dossier), encoding="utf-8")
    with opened(browser, path.as_uri(), viewport={"width": width, "height": 800}) as page:
        boxes = marked(page, "size-p99")
    assert 3 == len(boxes)
    assert_apart(boxes, width)


def test_what_a_run_says_is_not_run(looked_at: Page) -> None:
    """The evil name is a heading, and did nothing."""
    assert looked_at.evaluate("window.hacked === undefined")
    assert (looked_at.text_content("h1") or "").startswith("<script>")


def test_a_series_can_be_switched_off_by_keyboard(browser: Browser, address: str) -> None:
    """A button in the legend says whether its line is there, and takes it away."""
    with opened(browser, address) as page:
        button = page.locator("#figure-phases .legend button", has_text="handshake")
        before = page.evaluate(DRAWN)["phases"]["series"]
        button.focus()
        page.keyboard.press("Enter")
        after = page.evaluate(DRAWN)["phases"]["series"]

        assert "false" == button.get_attribute("aria-pressed")
        assert before.keys() - after.keys() == {"handshake"}
        page.keyboard.press("Enter")
        assert before == page.evaluate(DRAWN)["phases"]["series"]


def test_the_fitted_line_goes_with_its_dots(browser: Browser, address: str) -> None:
    """One button for both."""
    with opened(browser, address) as page:
        page.click("#figure-distance .legend button:has-text('blocking 8')")

        left = page.evaluate(DRAWN)["distance"]["series"]
        assert not [name for name in left if name.startswith("blocking 8")]
        assert len(left) == len(charts(full_dossier())["distance"].lines) - 2


def test_values_are_read_by_pointer_and_by_key(browser: Browser, address: str) -> None:
    """The tip and the words for screen readers say what the table says."""
    chart = charts(full_dossier())["size-p99"]
    (line,) = (each for each in chart.lines if each.name.endswith("rtt 0"))
    points = dict(line.points)
    with opened(browser, address) as page:
        place = page.locator("#chart-size-p99")
        place.focus()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        said = page.locator("#figure-size-p99 .reading")
        assert f"{line.name} {format_duration(points[4])}" in (said.text_content() or "")
        assert format_duration(points[4]) in (
            page.locator("#chart-size-p99 .tip").text_content() or ""
        )

        width = page.evaluate("document.getElementById('chart-size-p99').clientWidth")
        place.hover(position={"x": width - 40, "y": 100})
        expect(page.locator("#chart-size-p99 .tip")).to_contain_text(": 16")
        expect(page.locator("#chart-size-p99 .tip")).to_contain_text(format_duration(points[16]))


def test_the_script_writes_values_as_the_tables_do(browser: Browser, address: str) -> None:
    """Durations, shares, counts and rates, letter for letter."""
    found = charts(full_dossier())
    with opened(browser, address) as page:

        def read(name: str, key: str) -> str:
            page.locator(f"#chart-{name}").focus()
            page.keyboard.press(key)
            return page.locator(f"#figure-{name} .reading").text_content() or ""

        for line in found["phases"].lines:
            mean = line.points[0][1]
            written = "" if mean is None else format_duration(mean)
            # What did not happen is not said to have taken no time.
            assert bool(written) is (f"{line.name} {written}" in read("phases", "Home"))
        shares = {line.name: line.points[0][1] for line in found["phase-shares"].lines}
        for name, share in shares.items():
            if share is not None:
                assert f"{name} {format_percent(share)}" in read("phase-shares", "Home")
        throughput = found["size-throughput"].lines[0]
        said = read("size-throughput", "End")
        assert f"{throughput.name} {format_rate(throughput.points[-1][1])}" in said
        connections = next(each for each in found["time-connections"].lines if not each.of)
        said = read("time-connections", "Home")
        assert f"{connections.name} {format_count(connections.points[0][1])}" in said


WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.mark.parametrize(
    ("scheme", "rules"),
    [
        ("light", {"type": "tag", "values": WCAG}),
        ("dark", {"type": "rule", "values": ["color-contrast"]}),
    ],
)
def test_nothing_keeps_anybody_from_reading(
    browser: Browser,
    address: str,
    scheme: Any,  # noqa: ANN401 - playwright's own words
    rules: dict[str, Any],
) -> None:
    """What a machine can check of WCAG 2.2 AA, everything open; in the dark, contrast again."""
    axe = (node_package("axe-core") / "axe.min.js").read_text(encoding="utf-8")
    with opened(browser, address, color_scheme=scheme) as page:
        page.evaluate(
            "document.querySelectorAll('details').forEach((each) => { each.open = true })"
        )
        page.evaluate(axe)
        found = page.evaluate("(rules) => axe.run({ runOnly: rules })", rules)

    assert [] == [
        (each["id"], node["html"][:200], node["failureSummary"])
        for each in found["violations"]
        for node in each["nodes"]
    ]
    assert "color-contrast" in {each["id"] for each in found["passes"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_can_be_seen_on_their_ground(browser: Browser, address: str, scheme: Any) -> None:  # noqa: ANN401 - as above
    """Series at 3 : 1 at least, as WCAG asks of graphics; text in charts at 4.5 : 1."""
    with opened(browser, address, color_scheme=scheme) as page:
        read = "(name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()"
        ground = page.evaluate(read, "--page")
        for number in range(1, 13):
            assert 3 <= contrast(page.evaluate(read, f"--s{number}"), ground)
        for name in ("--ink", "--quiet", "--mark"):
            assert 4.5 <= contrast(page.evaluate(read, name), ground)


def contrast(one: str, other: str) -> float:
    """Give the contrast of two colours (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        assert re.fullmatch("#[0-9a-f]{6}", colour)
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("width", [NARROWEST, WIDEST])
def test_the_page_fits(browser: Browser, address: str, width: int) -> None:
    """From a phone to a wall: wide tables scroll by themselves, the page never does."""
    with opened(browser, address, viewport={"width": width, "height": 900}) as page:
        assert width >= page.evaluate("document.documentElement.scrollWidth")
        widths = page.evaluate(
            "[...document.querySelectorAll('.chart svg')].map((svg) => svg.clientWidth)"
        )
        assert len(charts(full_dossier())) == len(widths)
        assert min(widths) > 0.6 * min(width, 600)


def test_charts_follow_the_colours_of_the_page(browser: Browser, address: str) -> None:
    """When light turns dark, without being loaded again."""
    with opened(browser, address, color_scheme="light") as page:
        assert page.evaluate(CHART_INK) == page.evaluate(PAGE_INK)
        page.emulate_media(color_scheme="dark")
        settle(page)
        assert "#e8ebf0" == page.evaluate(PAGE_INK)
        assert "#e8ebf0" == page.evaluate(CHART_INK)


def test_on_paper_it_is_light_and_open(browser: Browser, address: str) -> None:
    """Also for a reader of the dark: charts and tables of numbers, and as before afterwards."""
    closed = "document.querySelectorAll('details:not([open]):not(.long)').length"
    with opened(browser, address, color_scheme="dark") as page:
        before = page.evaluate(closed)
        page.emulate_media(media="print")
        settle(page)
        assert (0, "#000000") == (page.evaluate(closed), page.evaluate(CHART_INK))
        assert "rgb(255, 255, 255)" == page.evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        assert page.pdf(format="A4").startswith(b"%PDF")
        page.emulate_media(media="screen")
        settle(page)
        assert (before, "#e8ebf0") == (page.evaluate(closed), page.evaluate(CHART_INK))


def test_without_scripts_the_numbers_remain(browser: Browser, address: str) -> None:
    """Where a viewer runs none, title, words and tables of every chart are there."""
    with opened(browser, address, java_script_enabled=False) as page:
        assert len(charts(full_dossier())) == page.locator("figure table").count()
        table = page.locator("#figure-phases table")
        assert str(Phase.HANDSHAKE) in (table.locator("thead").text_content() or "")
