"""What `scenarios` and `doctor` show."""

from __future__ import annotations

import pytest

from tests.report.examples import shown
from valkeybench.analysis.fitness import Check, Status
from valkeybench.report.doctor import doctor_document
from valkeybench.report.scenarios import scenario_document, scenario_list
from valkeybench.scenario.library import read_text, seed_paths
from valkeybench.scenario.model import Axes, Pool, Scenario, ServerSettings
from valkeybench.scenario.reader import parse_toml, read_scenario
from valkeybench.units import SECOND

SWEEP = Scenario(
    name="pool-size",
    title="How p99 changes with the size of the pool",
    description="First thought\ngoes on.\n\n\nSecond thought.\n",
    axes=Axes(pool=(Pool.BLOCKING,), max_connections=tuple(range(1, 21)), value_size=(2048,)),
    repeats=2,
    duration_ns=2 * SECOND,
    warmup_ns=0,
)


def test_the_list_says_what_each_shows_and_takes() -> None:
    """Name, title, and the time all windows and warm-ups take together."""
    assert [
        "Scenarios",
        "  name       what it shows                              takes",
        "  ───────────────────────────────────────────────────────────",
        "  a          What it is                                  21 s",
        "  pool-size  How p99 changes with the size of the pool   80 s",
        "",
        "  To read about one of them:",
        "  $ valkeybench scenarios a",
        "  To run it:",
        "  $ valkeybench run a",
    ] == shown(scenario_list([Scenario(name="a", title="What it is"), SWEEP]), 80).splitlines()


def test_an_empty_list_suggests_nothing() -> None:
    """Without scenarios there is no command to paste."""
    assert "$" not in shown(scenario_list([]), 80)


def test_one_scenario_is_told_in_full() -> None:
    """Title, thoughts parted as they were written, what all cases share, and what it takes."""
    assert [
        "How p99 changes with the size of the pool (pool-size)",
        "  First thought goes on.",
        "",
        "  Second thought.",
        "",
        "  load      50 handlers, think 10ms, 2 KiB values",
        "  commands  GET key:{0..9999}",
        "  20 cases  blocking 1 · blocking 2 · blocking 3 · blocking 4 · blocking 5 ·",
        "            blocking 6 · blocking 7 · blocking 8 · blocking 9 · blocking 10 ·",
        "            blocking 11 · blocking 12 · and 8 more",
        "  each      2 repeats × 2 s",
        "  takes     about 80 s",
        "",
        "  To run it:",
        "  $ valkeybench run pool-size",
    ] == shown(scenario_document(SWEEP), 80).splitlines()


def test_a_server_that_is_named_is_shown() -> None:
    """A scenario for a server of the user's own says which."""
    scenario = Scenario(name="mine", server=ServerSettings(url="valkey://cache.example"))
    text = shown(scenario_document(scenario), 80)

    assert text.startswith("mine\n")
    assert "server    valkey://cache.example" in text
    assert "each      3 repeats × 3 s, 500 ms of warm-up before each" in text


@pytest.mark.parametrize("name", seed_paths())
def test_every_scenario_that_ships_can_be_shown(name: str) -> None:
    """Each has a title, and its page and row fit any terminal."""
    text = read_text(seed_paths()[name])
    scenario = read_scenario(parse_toml(text, source=name), name=name)

    assert scenario.title
    for width in (60, 80, 120):
        for document in (scenario_list([scenario]), scenario_document(scenario)):
            page = shown(document, width)
            assert name in page
            assert [] == [line for line in page.splitlines() if len(line) > width]


OK = Check(name="Python", status=Status.OK, seen="CPython 3.11.7", remedy="never shown")
WARN = Check(
    name="file limit", status=Status.WARN, seen="1 024", remedy="Raise it: ulimit -n 8192."
)
FAIL = Check(name="server", status=Status.FAIL, seen="no answer", remedy="Start it.")


def test_a_check_up_lists_everything_then_what_to_do() -> None:
    """All checks in their order; remedies of what failed before those of what only warns."""
    assert [
        "Fit to measure?",
        "  check             seen",
        "  ────────────────────────────────",
        "  Python      ok    CPython 3.11.7",
        "  file limit  warn  1 024",
        "  server      fail  no answer",
        "",
        "  │ server",
        "  │ → Start it.",
        "",
        "  │ file limit",
        "  │ → Raise it: ulimit -n 8192.",
        "",
        "  Not fit to measure: 1 check failed.",
    ] == shown(doctor_document([OK, WARN, FAIL]), 80).splitlines()


@pytest.mark.parametrize(
    ("checks", "conclusion"),
    [
        ([OK], "Fit to measure."),
        ([OK, WARN], "Fit to measure, with 1 warning."),
        ([WARN, WARN], "Fit to measure, with 2 warnings."),
        ([WARN, FAIL, FAIL], "Not fit to measure: 2 checks failed."),
    ],
)
def test_the_last_line_is_the_answer(checks: list[Check], conclusion: str) -> None:
    """The worst check decides."""
    assert conclusion == shown(doctor_document(checks), 80).splitlines()[-1].strip()


@pytest.mark.parametrize("name", seed_paths())
def test_a_distance_is_said_to_be_emulated(name: str) -> None:
    """In every scenario that ships and has one."""
    scenario = read_scenario(parse_toml(read_text(seed_paths()[name]), source=name), name=name)
    page = " ".join(shown(scenario_document(scenario), 80).split())
    assert any(scenario.axes.rtt_ns) == ("emulated rtt" in page)
