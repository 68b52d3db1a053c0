"""A disturbance is written in a few words, and one that cannot be is refused with a remedy."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.scenario.reading import problems, read
from valkeybench.errors import ScenarioError
from valkeybench.scenario.disturbance import Deed, Disturbance
from valkeybench.scenario.model import Axes, Driver, Pool, plain
from valkeybench.scenario.sizing import one_load
from valkeybench.units import MILLISECOND, SECOND


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("none", None),
        ("restart", Disturbance(Deed.RESTART)),
        ("restart 250ms", Disturbance(Deed.RESTART, 250 * MILLISECOND)),
        ("restart at 1s", Disturbance(Deed.RESTART, 0, SECOND)),
        ("stall 500ms at 1.5s", Disturbance(Deed.STALL, 500 * MILLISECOND, 1500 * MILLISECOND)),
        ("kill_clients", Disturbance(Deed.KILL_CLIENTS)),
        (" kill_clients  at 900ms ", Disturbance(Deed.KILL_CLIENTS, 0, 900 * MILLISECOND)),
    ],
)
def test_it_is_read_from_files_and_flags(words: str, expected: Disturbance | None) -> None:
    """Both take the same words, and what is written back is read as the same."""
    assert (expected,) == read(f"[load]\ndisturb='{words}'").axes.disturb
    assert (expected,) == read(flags={"disturb": words}).axes.disturb
    if expected is not None:
        assert (expected,) == read(flags={"disturb": str(expected)}).axes.disturb
        assert str(expected) == plain(expected)


def test_it_comes_after_a_third_of_the_window_unless_it_is_said() -> None:
    """So that there is something before, and more after."""
    assert SECOND == Disturbance(Deed.RESTART).at(3 * SECOND)
    assert 2 * SECOND == Disturbance(Deed.RESTART, at_ns=2 * SECOND).at(3 * SECOND)


def test_it_is_an_axis() -> None:
    """Each of several makes a case of its own, none among them."""
    cases = read(flags={"disturb": "none,restart,stall 1s", "pool": "blocking"}).cases()
    assert [None, "restart", "stall 1s"] == [plain(case.disturb) for case in cases]
    assert (None,) == Axes().disturb


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("restrt", "did you mean restart?"),
        ("", "is no disturbance"),
        ("stall", "a stall needs its length"),
        ("kill_clients 1s", "takes no time"),
        ("restart 5", "no length of time"),
        ("restart 0", "longer than 0"),
        ("restart at", "is no disturbance"),
        ("restart 1s 1s", "is no disturbance"),
        ("restart at 1s now", "is no disturbance"),
        ("restart at 499ms", "before it is known what is usual"),
        ("restart at 2001ms", "to recover in"),
        ("restart 1001ms", "to recover in"),
        ("stall 48h", "longer than a day"),
    ],
)
def test_what_cannot_be_is_refused(words: str, reason: str) -> None:
    """Where it stands, why, and what would do; nothing of it is a traceback."""
    [by_flag] = problems(flags={"disturb": words})
    [by_key] = problems(f"[load]\ndisturb='{words}'")
    assert by_flag.startswith("--disturb: ")
    assert by_key.startswith("s.toml: load.disturb: ")
    assert reason in by_flag
    assert reason in by_key


@pytest.mark.parametrize("value", ["true", "5", "1.5", "{}"])
def test_what_is_no_text_is_refused(value: str) -> None:
    """Of any other type there is."""
    [problem] = problems(f"[load]\ndisturb={value}")
    assert "is no disturbance" in problem


@pytest.mark.parametrize("words", ["restart", "stall 500ms", "kill_clients"])
@pytest.mark.parametrize(
    "environment", [{}, {"VALKEYBENCH_URL": "valkey://h"}], ids=["by flag", "by variable"]
)
def test_nobody_elses_server_is_disturbed(words: str, environment: dict[str, str]) -> None:
    """However it was named, and even where only its clients would be."""
    flags = {"disturb": words} | ({} if environment else {"url": "valkey://h"})
    [problem] = problems(flags=flags, environment=environment)
    assert "--disturb: only a server of our own is disturbed" in problem


def test_a_server_is_named_where_nothing_is_disturbed() -> None:
    """None is no disturbance."""
    assert read(flags={"disturb": "none", "url": "valkey://h"}).cases()


def test_a_cluster_is_not_disturbed() -> None:
    """It says so before three servers are started."""
    [problem] = problems(flags={"disturb": "restart", "cluster": "true"})
    assert "a cluster is not disturbed" in problem


def test_no_size_is_looked_for_while_it_is_disturbed() -> None:
    """A search would find the size of an outage."""
    with pytest.raises(ScenarioError) as caught:
        one_load(read(flags={"disturb": "restart", "pool": "blocking"}))
    assert "--disturb: a size is one for a server that is there" in str(caught.value)


def test_only_a_pool_of_the_bare_wire_reconnects_by_itself() -> None:
    """It means nothing elsewhere, and is refused where it means nothing anywhere."""
    [problem] = problems(flags={"reconnect_within": "0"})
    assert "--reconnect-within: redis-py and its like" in problem
    scenario = read(
        flags={
            "reconnect_within": "none,0,500ms",
            "driver": "threads,wire",
            "pool": "none,raising",
        }
    )
    found: dict[tuple[Driver, Pool], list[int | None]] = {}
    for case in scenario.cases():
        found.setdefault((case.driver, case.pool), []).append(case.reconnect_within_ns)
    assert [None, 0, 500 * MILLISECOND] == found[Driver.WIRE, Pool.RAISING]
    assert [[None]] * 3 == [
        within for key, within in found.items() if key != (Driver.WIRE, Pool.RAISING)
    ]


def test_values_are_told_apart() -> None:
    """Two disturbances that differ in anything are two."""
    several = [Disturbance(Deed.RESTART), Disturbance(Deed.RESTART, 1), Disturbance(Deed.STALL, 1)]
    assert all(one != other for one, other in pairwise(several))
