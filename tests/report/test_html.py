"""The page as text: what it holds, what it lets in, and how large it may become."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.fleets import a_storm, plan
from tests.report.examples import EXAMPLES, recommendation
from tests.report.pages import EVIL, charts, full_dossier, full_page, full_run
from tests.report.test_size import searched
from tests.runs import case_record, run_file
from valkeybench.analysis.latency import latency_lines
from valkeybench.measurement.metrics import Phase
from valkeybench.report.chart import MOST_SERIES, Along, Chart, Shape
from valkeybench.report.charts.marks import recommended_marks
from valkeybench.report.charts.timeline import MOST_POINTS
from valkeybench.report.document import Callout, Paragraph
from valkeybench.report.dossier import make_dossier
from valkeybench.report.fleet_dossier import fleet_dossier
from valkeybench.report.html.markup import (
    LONGEST_TEXT,
    Markup,
    element,
    flowing,
    plain,
    verbatim,
)
from valkeybench.report.html.page import LIBRARY, html_text, page_text
from valkeybench.report.method import method_blocks
from valkeybench.report.overlay import name_runs
from valkeybench.results.runfile import CaseRecord, Reading, RunFile
from valkeybench.scenario.disturbance import Deed, Disturbance
from valkeybench.scenario.model import Driver
from valkeybench.units import MILLISECOND

MOST_BYTES = 2_000_000
LIBRARY_SHA256 = "61f13280aba3161f77fc801bf5f9c786f55f10432153a0683fc5cc0700b013d5"


class Page(HTMLParser):
    """What a page consists of: its elements, and the text of each kind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        """Remember a text by the element it stands in."""
        self.texts.setdefault(self._open, []).append(data)


def page_of(run: RunFile) -> str:
    """Write the page of one run."""
    return html_text(name_runs(["run.json"], [run]))


def test_only_what_comes_with_us_is_run() -> None:
    """The policy names the hashes of our style and scripts, and lets nothing else in."""
    read = Page(full_page())
    (policy,) = (
        str(attributes["content"])
        for tag, attributes in read.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    scripts = re.findall(r"<script>(.*?)</script>", full_page(), re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", full_page(), re.DOTALL)

    def named(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    hashes = " ".join(f"'sha256-{named(text)}'" for text in scripts)
    assert 2 == len(scripts)
    assert (
        f"default-src 'none'; script-src {hashes}; style-src 'sha256-{named(style)}'; "
        "base-uri 'none'; form-action 'none'"
    ) == policy


def test_the_page_asks_nobody_for_anything() -> None:
    """No element fetches, and none has a style or a handler of its own."""
    for tag, attributes in Page(full_page()).tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "form", "base"}
        fetching = {"src", "srcset", "action", "style"} & attributes.keys()
        assert not fetching
        assert not [name for name in attributes if name.startswith("on")]
        assert str(attributes.get("href", "#")).startswith("#")


def test_what_a_run_says_is_text() -> None:
    """A scenario named as an element shows as it is written, everywhere."""
    read = Page(full_page())

    assert EVIL == read.texts["h1"][0]
    assert EVIL in "".join(read.texts["title"])
    assert 3 == sum(tag == "script" for tag, _ in read.tags)
    assert "</script><img" not in full_page()


def test_text_is_escaped_and_markup_is_not() -> None:
    """By what it is, not by what it looks like."""
    inner = element("b", "1 < 2 & \x1b", title='"<')

    assert '<b title="&quot;&lt;">1 &lt; 2 &amp; \\x1b</b>' == inner
    assert "<p><b" == element("p", inner)[:5]
    assert isinstance(verbatim("<i>"), Markup)
    assert LONGEST_TEXT == len(plain("x" * 10**6))


def test_the_answer_comes_first() -> None:
    """Then the evidence, then what limits it, then how it was measured."""
    dossier = full_dossier()

    assert ["answer", "evidence", "limits", "method"] == [each.id for each in dossier.sections]
    first = dossier.sections[0].items[0]
    assert "max_connections = 8" in getattr(first, "title", "")
    assert "max_connections = 8" in "".join(Page(full_page()).texts["p"])


def test_there_is_a_chart_for_everything_the_run_has() -> None:
    """And none for what it has not."""
    assert [
        *("percentiles", "size-p99", "size-throughput", "phases", "phase-shares", "in-use"),
        *("distance", "time-p99", "time-throughput", "time-connections", "time-memory"),
    ] == list(charts(full_dossier()))

    unpooled = run_file(case_record("none", server=False))
    assert {"percentiles", "phases", "phase-shares", "time-p99", "time-throughput"} <= set(
        charts(make_dossier(name_runs(["a.json"], [unpooled])))
    )
    assert not {"in-use", "size-p99", "distance", "time-memory"} & set(
        charts(make_dossier(name_runs(["a.json"], [unpooled])))
    )


def test_charts_hold_the_runs_numbers() -> None:
    """Points against the summaries, one chart after the other."""
    case = next(c for c in full_run().cases if c.axes["max_connections"] == 8)
    found = charts(full_dossier())
    assert case.summary is not None
    response = case.summary.phases[Phase.RESPONSE]

    (p99,) = (y for x, y in found["size-p99"].lines[0].points if x == 8)
    assert response.p99_ns == p99
    (rate,) = (y for x, y in found["size-throughput"].lines[0].points if x == 8)
    assert case.summary.throughput == rate
    label = "blocking 8, rtt 0"
    (curve,) = (line for line in found["percentiles"].lines if line.name == label)
    assert response.count == curve.points[-1][0]
    assert pytest.approx(response.max_ns, rel=1e-3) == curve.points[-1][1]
    row = found["phases"].y.categories.index(label)
    parts = {line.name: line.points[row][1] for line in found["phases"].lines}
    assert case.summary.phases[Phase.COMMAND].mean_ns == parts["command"]
    assert pytest.approx(1) == sum(line.points[row][1] or 0 for line in found["phase-shares"].lines)
    (steps,) = (line for line in found["in-use"].lines if line.name == label)
    counts = case.trials[0].in_use_counts
    # At least so many: what a size rests on is the tail.
    assert pytest.approx(sum(counts[1:]) / sum(counts), rel=1e-3) == steps.points[1][1]
    assert 1 == steps.points[0][1]


def test_the_recommendation_and_the_limit_are_marked() -> None:
    """Where sizes, percentiles and connections in use are drawn."""
    found = charts(full_dossier())
    sizes = {(mark.along, mark.value) for mark in found["size-p99"].marks}

    assert (Along.X, 8) in sizes
    assert (Along.Y, 5 * MILLISECOND) in sizes
    assert [(Along.Y, 5 * MILLISECOND)] == [
        (mark.along, mark.value) for mark in found["percentiles"].marks
    ]
    assert [(Along.X, 8)] == [(mark.along, mark.value) for mark in found["in-use"].marks]


def limited_run(*limits: str) -> RunFile:
    """Make a run of several sizes that was held against limits."""
    run = run_file(case_record("none"), *(case_record(max_connections=n) for n in (4, 8, 16)))
    return run.model_copy(update={"scenario": {**run.scenario, "fail_if": [*limits]}})


def test_limits_a_run_was_made_with_are_marked_and_answered() -> None:
    """On the axis each is about; the verdict and the worst of it stand in the answer."""
    limits = ("response.p99[pool=blocking] > 100us", "throughput < 10/s", "failed > 0")
    quotient = "response.p99[pool=none] / response.p99[pool=blocking] < 1"
    dossier = make_dossier(name_runs(["a.json"], [limited_run(*limits, quotient)]))
    found = charts(dossier)

    assert [(Along.Y, MILLISECOND / 10)] == [(m.along, m.value) for m in found["percentiles"].marks]
    assert "fails if response.p99[pool=blocking] > 100 µs" in [
        mark.label for mark in found["size-p99"].marks
    ]
    assert ["fails if throughput < 10.0 /s"] == [m.label for m in found["size-throughput"].marks]
    said = [item for item in dossier.sections[0].items if isinstance(item, Callout)]
    assert "Held against its limits: FAIL: 3 of 14 findings" in [each.title for each in said]
    assert any("It is so at both bounds" in each.text for each in said)
    assert "response.p99[pool=blocking] &gt; 100 µs (blocking 8)" in page_text(dossier)


@pytest.mark.parametrize("limits", [[], ["response.p99[tls=on] > 1ms"], ["nonsense"]])
def test_where_there_is_no_verdict_none_is_shown(limits: list[str]) -> None:
    """No limits, limits about cases that are not shown, and what cannot be read."""
    assert "Held against" not in page_of(limited_run(*limits))


def answer(*cases: CaseRecord) -> str:
    """Give the words of a run's answer."""
    dossier = make_dossier(name_runs(["a.json"], [run_file(*cases)]))
    return " ".join(b.text for b in dossier.sections[0].items if isinstance(b, Paragraph))


def test_the_best_pool_is_one_of_those_with_the_same_load() -> None:
    """Of several loads the lightest would be best; where handlers starved, that is said."""
    assert "Of the pools tried blocking 10 did best" in answer(case_record("none"), case_record())
    assert "hardly shows" not in answer(case_record())
    assert "what they waited hardly shows in it" in answer(case_record(starved=40))
    near, far = (case_record(rtt_ns=rtt * MILLISECOND) for rtt in (0, 2))
    assert "did best" not in answer(near, far)
    assert "did best" not in answer(case_record(disturb=Disturbance(Deed.KILL_CLIENTS)))


def test_what_distance_costs_is_an_answer() -> None:
    """Round trips, where the distance was varied."""
    said = answer(*full_run().cases)
    line = next(x for x in latency_lines(full_run().cases) if x.axes["max_connections"] == 8)
    assert f"{line.round_trips:.1f} with blocking 8" in said
    assert "Round trips" not in answer(case_record())


def test_what_shows_sizes_stands_beside_the_sizes_tried() -> None:
    """The charts of a search come before what is to be pasted."""
    evidence = make_dossier(name_runs(["a.json"], [searched("size")])).sections[1].items
    kinds = [getattr(item, "id", getattr(item, "text", "")) for item in evidence]
    assert kinds.index("size-p99") < kinds.index("Ready to paste")


def test_a_size_recommended_by_one_of_several_runs_names_the_run() -> None:
    """Where they agree, one line stands for all."""
    first = searched("size")
    (said,) = first.recommendations
    other = said.model_copy(update={"max_connections": 9})
    none = said.model_copy(update={"max_connections": None, "verdict": "no_size"})
    for kept, marks in [
        (said, {"recommended: 7"}),
        (other, {"recommended: 7 (run a)", "recommended: 9 (run b)"}),
        (none, {"recommended: 7 (run a)"}),
    ]:
        second = first.model_copy(update={"recommendations": [kept]})
        dossier = make_dossier(name_runs(["a.json", "b.json"], [first, second]))
        charts = [each for s in dossier.sections for each in s.items if isinstance(each, Chart)]
        (chart,) = [each for each in charts if each.id == "size-p99"]
        assert marks == {m.label for m in chart.marks if m.label.startswith("recommended")}


def test_a_flag_is_not_broken() -> None:
    """A line may end before it, not within; what is too long to fit is no flag."""
    assert 'with <span class="word">--no-break</span> &lt;' == flowing("with --no-break <")
    assert "span" not in flowing("a--b --" + "x" * 99)


def test_recommendations_for_several_loads_are_told_apart() -> None:
    """Each size names its load, where sizes differ; too many of them are not drawn."""
    loads = [
        recommendation(max_connections=size, applies_to={"concurrency": handlers})
        for size, handlers in ((4, 10), (9, 50))
    ]
    many = [recommendation(max_connections=size) for size in range(1, 7)]

    assert ["recommended: 4 (10 handlers)", "recommended: 9 (50 handlers)"] == [
        mark.label for mark in recommended_marks(loads)
    ]
    assert ["recommended: 8"] == [m.label for m in recommended_marks([recommendation()] * 2)]
    assert () == recommended_marks(many)


def test_the_method_is_the_runs_own() -> None:
    """Whether there was a client library, and whether pools were filled before."""

    def told(run: RunFile) -> str:
        return " ".join(b.text for b in method_blocks([run]) if isinstance(b, Paragraph))

    usual, wire = run_file(case_record()), run_file(case_record(driver=Driver.WIRE))
    both = run_file(case_record(), case_record(driver=Driver.WIRE))
    cold = usual.model_copy(update={"scenario": {**usual.scenario, "prewarm": False}})

    assert "3 trials of 3 s, after a warm-up of 500 ms that is not counted" in told(usual)
    assert "fresh pools, opened before the clock started" in told(usual)
    assert "before the clock started" not in told(cold)
    assert "without a client library" in told(wire)
    assert "but for the cases of the bare wire" in told(both)


def test_the_line_against_distance_is_the_fitted_one() -> None:
    """Dots are measured, and the line's slope is the round trips a command pays."""
    lines = charts(full_dossier())["distance"].lines
    dots = next(line for line in lines if line.shape is Shape.DOTS and line.name == "blocking 8")
    fitted = next(line for line in lines if line.of == "blocking 8")
    (x0, y0), (x1, y1) = fitted.points
    assert y0 is not None
    assert y1 is not None

    assert (0, 2 * MILLISECOND) == (x0, x1)
    assert [x0, x1] == [x for x, _ in dots.points]
    # Two points lie on their line: the slope is that of the medians.
    assert pytest.approx([y for _, y in dots.points]) == [y0, y1]
    assert "blocking 8" in charts(full_dossier())["distance"].summary


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_kind_of_run_makes_a_page(name: str) -> None:
    """Troubled, with TLS, many cases: all of them, and each chart's table is there."""
    text = page_of(EXAMPLES[name]())
    found = json.loads(re.findall(r'id="charts">(.*?)</script>', text, re.DOTALL)[0])

    assert found
    assert len(found) == text.count("<figure ")
    assert text.count("<figure ") <= text.count("<caption>")


def test_a_fleet_is_drawn_against_what_the_server_takes() -> None:
    """Connections and memory by number of processes, with this fleet and the limits."""
    fleet = plan(None, a_storm(), pods=5, maxclients=10_000, server_memory=2**30)
    dossier = fleet_dossier(fleet, sources=["a.json"], runs=[full_run()])
    found = charts(dossier)
    here = fleet.inputs.processes * fleet.inputs.pods
    connections, memory = found["fleet-connections"], found["fleet-memory"]

    assert "redis-py\N{NO-BREAK SPACE}8.1.0" in dossier.about[-2]
    assert "begun 2026-01-02T03:04:05Z" in dossier.about[-1]
    assert [(p.processes, p.now) for p in fleet.growth] == list(connections.lines[0].points)
    assert {(Along.X, here), (Along.Y, 10_000.0)} <= {(m.along, m.value) for m in connections.marks}
    assert fleet.memory_room.value in {mark.value for mark in memory.marks}
    assert [(p.processes, p.memory_idle) for p in fleet.growth] == list(memory.lines[0].points)


def test_what_a_fleet_lacks_is_not_drawn() -> None:
    """Without a figure for memory there is no chart of it, and the verdict still comes first."""
    dossier = fleet_dossier(plan(), sources=["a.json"])

    assert ["fleet-connections"] == list(charts(dossier))
    assert isinstance(dossier.sections[0].items[0], Callout)
    assert "Reckoned from a.json." in page_text(dossier)


def test_several_runs_share_charts() -> None:
    """Every case named by its run."""
    run = run_file(case_record("blocking", 4), case_record("blocking", 8))
    found = charts(make_dossier(name_runs(["a.json", "b.json"], [run, run])))

    assert [f"{name}: blocking {size}" for name in "ab" for size in (4, 8)] == [
        line.name for line in found["percentiles"].lines
    ]
    assert ["a: blocking", "b: blocking"] == [line.name for line in found["size-p99"].lines]


def test_a_huge_run_stays_below_two_megabytes() -> None:
    """Lines, points and rows are bounded, and the reader is told."""
    one = case_record("blocking", 4, repeats=1)
    trial = one.trials[0]
    assert trial.server is not None
    samples = [
        Reading(at_ns=i * trial.duration_ns // 5000, connected_clients=i, used_memory=10**6)
        for i in range(5000)
    ]
    trial = trial.model_copy(
        update={
            "server": trial.server.model_copy(update={"samples": samples}),
            "in_use_counts": [3] * 2000,
        }
    )
    many = [
        one.model_copy(
            update={
                "id": f"case {i} " + "x" * 50,
                "axes": {**one.axes, "max_connections": i + 1, "concurrency": i // 50 + 1},
                "trials": [trial],
            }
        )
        for i in range(400)
    ]
    said = [recommendation(reason="y" * 10**6), *[recommendation()] * 300]
    run = run_file(*many, recommendations=said)
    dossier = make_dossier(name_runs(["run.json"], [run]))
    text, found = page_text(dossier), charts(dossier)

    assert MOST_BYTES > len(text.encode())
    assert MOST_SERIES == len(found["percentiles"].lines)
    assert "Drawn are the first 12 of 400" in " ".join(found["percentiles"].notes)
    assert MOST_POINTS >= max(len(line.points) for line in found["time-memory"].lines)
    assert "280 more rows are left out here" in text.replace("\N{NARROW NO-BREAK SPACE}", "")


def test_the_library_is_what_was_published() -> None:
    """Byte for byte, with its licence and notice beside it, and nothing that ends its element."""
    folder = files("valkeybench.report.html")
    library = folder.joinpath(LIBRARY).read_bytes()

    assert LIBRARY_SHA256 == hashlib.sha256(library).hexdigest()
    assert b"</script" not in library.lower()
    for name in ("ECHARTS-LICENSE", "ECHARTS-NOTICE", "ZRENDER-LICENSE"):
        assert folder.joinpath(name).read_bytes()


def node_package(name: str) -> Path:
    """Find a package as Node does; CONTRIBUTING.md says how to install it."""
    node = shutil.which("node")
    if node is None:
        pytest.skip(f"{name}: there is no node on PATH")
    asked = [node, "-p", f"require.resolve('{name}/package.json')"]
    done = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip(f"{name}: node does not find it; is NODE_PATH set?")
    return Path(done.stdout.strip()).parent


def test_the_library_is_the_packages_own() -> None:
    """The file of the npm package of that name, and its licence."""
    package = node_package("echarts")
    folder = files("valkeybench.report.html")

    pairs = (
        (f"dist/{LIBRARY}", LIBRARY),
        ("LICENSE", "ECHARTS-LICENSE"),
        ("NOTICE", "ECHARTS-NOTICE"),
    )
    for theirs, ours in pairs:
        assert (package / theirs).read_bytes() == folder.joinpath(ours).read_bytes()


def test_numbers_in_charts_are_numbers() -> None:
    """No NaN, no Infinity, and nothing that JSON would not have."""
    text = re.findall(r'id="charts">(.*?)</script>', full_page(), re.DOTALL)[0]

    def refuse(word: str) -> Any:  # noqa: ANN401 - never comes back
        raise AssertionError(word)

    assert json.loads(text, parse_constant=refuse)
    assert not {"<", ">", "&"} & set(text)
    assert os.linesep not in text
