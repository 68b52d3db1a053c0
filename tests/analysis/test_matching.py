"""Which cases stand against which, and what two runs must agree on before they may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.runs import case_record, run_file
from valkeybench.analysis.agreement import differences, refuse_different
from valkeybench.analysis.matching import match_runs, match_within
from valkeybench.errors import ExitCode, ResultError
from valkeybench.scenario.disturbance import Deed, Disturbance
from valkeybench.scenario.model import ServerSettings, plain
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from valkeybench.results.runfile import RunFile

NONE, TEN, TWENTY = case_record("none"), case_record("blocking", 10), case_record("blocking", 20)


def test_cases_of_two_runs_match_by_all_their_axes() -> None:
    """What is in one of them only is said."""
    matching = match_runs([NONE, TEN], [TEN, TWENTY])
    (pair,) = matching.pairs
    assert (TEN, TEN, False) == (pair.base, pair.new, pair.is_paired)
    assert ((NONE,), (TWENTY,)) == (matching.only_base, matching.only_new)


def test_an_axis_only_one_run_knows_does_not_part_them() -> None:
    """A file of an older version has fewer axes."""
    older = TEN.model_copy(update={"axes": {k: v for k, v in TEN.axes.items() if k != "keys"}})
    assert 1 == len(match_runs([older], [TEN]).pairs)


def test_a_disturbed_case_stands_against_its_like_only() -> None:
    """A file from before there was the lever, which tells nothing of it, was not disturbed."""
    stalled = case_record("blocking", 10, disturb=Disturbance(Deed.STALL, SECOND))
    older = TEN.model_copy(update={"axes": {k: v for k, v in TEN.axes.items() if k != "disturb"}})
    for peaceful in (TEN, older):
        for by in ((), ("pool",)):
            with pytest.raises(ResultError, match="disturb is None and stall 1s"):
                match_runs([peaceful], [stalled], by=by)
    assert 1 == len(match_runs([stalled], [stalled]).pairs)
    assert 1 == len(match_runs([older], [TEN]).pairs)
    assert 1 == len(match_within([TEN, stalled], by=["disturb"]).pairs)


def test_runs_without_a_common_case_say_by_what_they_miss() -> None:
    """Exit code 5, the axis with both values, and how to compare along it."""
    with pytest.raises(ResultError, match="max_connections is 10 and 20") as caught:
        match_runs([TEN], [TWENTY])
    assert ExitCode.RESULT == caught.value.exit_code
    assert "--by max_connections" in caught.value.remedy


def test_runs_can_be_compared_along_an_axis() -> None:
    """Then that axis is not looked at."""
    (pair,) = match_runs([TEN], [TWENTY], by=["max_connections"]).pairs
    assert (TEN, TWENTY) == (pair.base, pair.new)


def test_a_case_that_could_stand_against_several_is_refused() -> None:
    """Nobody could say which was meant."""
    with pytest.raises(ResultError, match="2 cases of the base"):
        match_runs([TEN, TWENTY], [case_record("blocking", 40)], by=["max_connections"])


def test_an_exact_match_comes_first() -> None:
    """Along an axis as well: the same value is what one would look for."""
    matching = match_runs([TEN, TWENTY], [TEN, TWENTY], by=["max_connections"])
    assert [(TEN, TEN), (TWENTY, TWENTY)] == [(pair.base, pair.new) for pair in matching.pairs]


def test_within_a_run_the_first_of_each_group_is_the_base() -> None:
    """What follows from the axis (no pool has no size) parts nobody."""
    matching = match_within([NONE, TEN, case_record("none", concurrency=5)], by=["pool"])
    (pair,) = matching.pairs
    assert (NONE, TEN, True) == (pair.base, pair.new, pair.is_paired)
    assert [5] == [case.axes["concurrency"] for case in matching.only_base]


@pytest.mark.parametrize(
    ("cases", "remedy"),
    [([TEN, TWENTY], "this run varies max_connections"), ([TEN], "nothing to compare")],
)
def test_an_axis_that_parts_no_cases_is_said(cases: list[Any], remedy: str) -> None:
    """With the axes that would."""
    with pytest.raises(ResultError, match="differ in tls alone") as caught:
        match_within(cases, by=["tls"])
    assert remedy in caught.value.remedy


def test_a_run_without_cases_matches_nothing() -> None:
    """It is said, not passed over."""
    with pytest.raises(ResultError, match="no cases"):
        match_runs([], [TEN])


def with_environment(**changes: Any) -> Any:  # noqa: ANN401 - a run file
    """Make a run whose environment has these values."""
    run = run_file(TEN)
    return run.model_copy(update={"environment": run.environment | changes})


@pytest.mark.parametrize(
    ("changes", "name", "is_refused"),
    [
        ({"cpu": "Other CPU"}, "CPU", True),
        ({"cpus_usable": 8}, "usable CPUs", True),
        ({"debug_build": True}, "debug build of Python", True),
        ({"packages": {"redis": "8.2.0"}}, "redis-py", False),
        ({"python": "3.13.1"}, "Python", False),
        ({"kernel": "6.9"}, "kernel", False),
        ({"server": {"version": "8.1.0", "provider": "embedded"}}, "server version", False),
    ],
)
def test_what_runs_do_not_agree_on_is_named(
    changes: dict[str, Any], name: str, *, is_refused: bool
) -> None:
    """Another machine is refused; another client may be what is compared."""
    (found,) = differences(run_file(TEN), with_environment(**changes))
    assert (name, is_refused) == (found.name, found.is_refused)


def test_what_a_file_does_not_tell_is_no_difference() -> None:
    """An older version kept less; a plain run has no TLS provider."""
    assert [] == differences(run_file(TEN), with_environment(packages={}, server={}, cpu=None))


def test_who_did_the_tls_counts_where_there_was_tls() -> None:
    """A relay's figures lack the server's part."""
    server = {"provider": "embedded"}
    runs = [
        run_file(case_record(tls=True), environment={"server": server | {"tls_provider": who}})
        for who in ("native", "relay")
    ]
    (found,) = differences(*runs)
    assert ("native", "relay", True) == (found.base, found.new, found.is_refused)


@pytest.mark.parametrize(
    ("setting", "name", "said"),
    [
        ({"key_type": "rsa"}, "TLS key", ("ecdsa", "rsa")),
        ({"tls_version": "1.2"}, "TLS version", ("any", "1.2")),
        ({"mutual_tls": True}, "mutual TLS", ("off", "on")),
        ({"tls": {"min_version": "1.3"}}, "least TLS version", ("any", "1.3")),
        ({"tls": {"ciphers": "AES256-SHA"}}, "TLS ciphers", ("the usual ones", "AES256-SHA")),
    ],
)
def test_how_tls_was_spoken_is_named_where_there_was_tls(
    setting: dict[str, Any], name: str, said: tuple[str, str]
) -> None:
    """Keys and versions may be what is compared; a plain run has none, an older file tells none."""

    def run(changes: dict[str, Any], *, tls: bool = True) -> RunFile:
        usual = plain(ServerSettings())
        trust = {"tls": usual["tls"] | changes.get("tls", {})}
        made = run_file(case_record(tls=tls), environment={"server": {"provider": "embedded"}})
        scenario = made.scenario | {"server": usual | changes | trust}
        return made.model_copy(update={"scenario": scenario})

    (found,) = differences(run({}), run(setting))
    assert (name, said, False) == (found.name, (found.base, found.new), found.is_refused)
    assert [] == differences(run({}, tls=False), run(setting, tls=False))
    older = run({}).model_copy(update={"scenario": {}})
    assert name not in [each.name for each in differences(older, run(setting))]


def test_another_workload_is_refused_and_said() -> None:
    """Both sides of the difference, why it matters, and the way out."""
    run = run_file(TEN)
    other = run.model_copy(
        update={"scenario": run.scenario | {"commands": ["PING"], "pin": "auto"}}
    )
    with pytest.raises(ResultError, match="commands: GET") as caught:
        refuse_different(differences(run, other))
    assert "CPU placement" in caught.value.message
    assert "--even-if-different" in caught.value.remedy


def test_a_run_that_was_not_finished_is_named() -> None:
    """It has fewer trials than it should."""
    (found,) = differences(run_file(TEN), run_file(TEN, status="interrupted"))
    assert ("status", False) == (found.name, found.is_refused)
    refuse_different([found])
