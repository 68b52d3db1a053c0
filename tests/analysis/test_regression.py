"""Two sides that took turns: worse, not worse, or not to be told, and what could have been."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.runs import case_record, run_file
from valkeybench.analysis.comparison import rule_for
from valkeybench.analysis.metric import parse_metric
from valkeybench.analysis.noise import Asked, fingerprint, heed, learned_scatter, told_apart
from valkeybench.analysis.regression import apart, look_at, verdict_of
from valkeybench.analysis.verdict import Ruling

if TYPE_CHECKING:
    from valkeybench.analysis.regression import Look
    from valkeybench.results.runfile import CaseRecord

JITTER = [1 + 0.002 * ((7 * k) % 11 - 5) for k in range(24)]
"""A little noise that has no order."""

P50, P99, RATE = (
    rule_for(parse_metric(name)) for name in ("response.p50", "response.p99", "throughput")
)


def side(pairs: int = 8, *, slower: float = 1.0, turned: bool = False, **wishes: Any) -> CaseRecord:  # noqa: ANN401 - a Wish's
    """Make a side of so many turns, its p99 and rate that much slower."""
    jitter = JITTER[:pairs][::-1] if turned else JITTER[:pairs]
    wished: dict[str, Any] = {
        "p99_ms": [2.0 * slower * each for each in jitter],
        "throughput": [4800 / slower * each for each in jitter],
        "repeats": pairs,
    }
    return case_record(**(wished | wishes))


def one(look: Look) -> tuple[Ruling, bool]:
    """Give what a look says of its only metric, and whether that is the last word."""
    (seen,) = look.seen
    return seen.ruling, seen.is_settled


def test_a_side_that_is_worse_fails_at_the_first_look() -> None:
    """With estimate and exact interval; what is better passes, in whichever direction that is."""
    look = look_at(side(), side(slower=1.2, turned=True), rules=[P99])
    assert ((Ruling.FAIL, True), True) == (one(look), look.is_over)

    finding = verdict_of(look, "new").findings[0]
    assert 0.2 == pytest.approx(finding.numbers["change"] or 0, abs=0.01)
    assert "+20" in finding.measured
    assert (finding.numbers["low"] or 0) < 0.2 < (finding.numbers["high"] or 0)

    for rule in (P99, RATE):
        better = look_at(side(), side(slower=0.8, turned=True), rules=[rule])
        assert (Ruling.PASS, True) == one(better)
    assert (Ruling.FAIL, True) == one(look_at(side(), side(slower=1.2), rules=[RATE]))


def test_between_looks_nothing_is_said() -> None:
    """However clear it seems: looking more often is wrong more often."""
    for pairs in (1, 7, 9, 11):
        look = look_at(side(pairs), side(pairs, slower=2.0), rules=[P99])
        assert ((Ruling.CANNOT_SAY, False), False) == (one(look), look.is_over)


def test_what_scatters_too_much_runs_to_the_end_and_cannot_be_told() -> None:
    """After the last look it is over, and says what it could have found."""
    wild = [1 + 0.5 * ((7 * k) % 11 - 5) / 5 for k in range(24)]
    shifted = wild[5:] + wild[:5]
    for pairs, over in ((8, False), (12, False), (16, False), (24, True)):
        look = look_at(
            side(pairs, p99_ms=wild[:pairs]), side(pairs, p99_ms=shifted[:pairs]), rules=[P99]
        )
        assert ((Ruling.CANNOT_SAY, False), over) == (one(look), look.is_over)
    verdict = verdict_of(look, "new")
    assert Ruling.CANNOT_SAY is verdict.ruling
    assert "four of five" in verdict.findings[0].reason
    assert "--duration" in verdict.findings[0].remedy


def test_one_failure_ends_it_though_other_metrics_are_open() -> None:
    """The gate fails whatever the others would come to."""
    wild = [1 + 0.5 * ((7 * k) % 11 - 5) / 5 for k in range(9)]
    base = side(9, p99_ms=wild)
    new = side(9, slower=1.2, p99_ms=wild[4:] + wild[:4])
    look = look_at(base, new, rules=[RATE, P99])
    assert {Ruling.FAIL, Ruling.CANNOT_SAY} == {seen.ruling for seen in look.seen}
    assert look.is_over


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"starved": 40}, "starved"),
        ({"throughput": 200}, "samples lie beyond"),
        ({"lost": True}, "went away"),
    ],
)
def test_what_means_nothing_is_settled_as_that(wish: dict[str, Any], why: str) -> None:
    """No number of pairs would make it mean something."""
    look = look_at(side(), side(slower=0.1, **wish), rules=[P99])
    assert ((Ruling.CANNOT_SAY, True), True) == (one(look), look.is_over)
    assert why in look.seen[0].reason


def test_no_samples_is_no_pass() -> None:
    """A phase that never happened, a side that did nothing, no pair at all."""
    unseen = look_at(side(), side(), rules=[rule_for(parse_metric("tls.p50"))])
    idle = look_at(side(), case_record(repeats=8, throughput=0, in_use=[1.0]), rules=[RATE])
    assert Ruling.CANNOT_SAY is verdict_of(unseen, "new").ruling
    assert Ruling.CANNOT_SAY is verdict_of(idle, "new").ruling

    nothing = look_at(case_record(repeats=0), case_record(repeats=0), rules=[RATE])
    assert not nothing.is_over
    assert Ruling.CANNOT_SAY is verdict_of(nothing, "new").ruling


def test_more_failures_fail_whatever_the_response_times() -> None:
    """Failed commands are in no percentile, so they are held apart."""
    look = look_at(side(), side(slower=0.5, failures={"pool_timeout": 500}), rules=[RATE])
    verdict = verdict_of(look, "new")
    assert (Ruling.PASS, Ruling.FAIL) == tuple(each.ruling for each in verdict.findings)
    assert look.is_over


def test_a_turn_only_one_side_had_is_no_pair() -> None:
    """A trial that was lost takes its partner out of the reckoning."""
    base, new = side(9), side(9, slower=1.2)
    short = new.model_copy(update={"trials": [t for t in new.trials if t.repeat != 4]})
    assert 8 == look_at(base, short, rules=[P99]).pairs


def test_waits_are_held_by_what_they_add() -> None:
    """A wait that is usually nothing has no ratio."""
    rule = rule_for(parse_metric("pool_wait.p99"))
    waits = [
        case_record(
            repeats=8,
            phases={"pool_wait": wait, "command": 0.2},
            p99_ms=list(JITTER[:8]),
        )
        for wait in (0.001, 0.5)
    ]
    assert (Ruling.FAIL, True) == one(look_at(*waits, rules=[rule]))
    assert (Ruling.PASS, True) == one(look_at(waits[0], waits[0], rules=[rule]))


def test_sides_say_in_what_they_differ() -> None:
    """Axes first, then versions; or that they differ in nothing."""
    base, new = run_file(case_record("blocking", 5)), run_file(case_record("blocking", 10))
    other = new.model_copy(update={"environment": new.environment | {"python": "3.13.1"}})
    assert "max_connections 5 and 10; Python: 3.11.7 and 3.13.1" in apart(base, other)
    later = base.model_copy(update={"created": "2026-01-03T03:04:05Z"})
    assert "differ in nothing" in apart(base, later)


def test_thresholds_are_raised_to_what_the_machine_can_tell() -> None:
    """Said, and not done to one that was named: then it is said that it can't be told."""
    known = {"response.p99": 0.3, "response.p50": 0.001}
    rules = (P99, P50)
    raised = heed(Asked(rules), known)
    assert (True, 0.05) == (raised.rules[0].threshold > 0.15, raised.rules[1].threshold)
    assert "counts from" in raised.notes[0]

    named = heed(Asked(rules, frozenset({P99.metric})), known)
    assert (rules, 1) == (named.rules, len(named.notes))
    assert "cannot be told on this machine" in named.notes[0]

    assert (rules, ()) == (heed(Asked(rules), {}).rules, heed(Asked(rules), {}).notes)


def test_noise_is_learned_from_pairs_without_a_difference() -> None:
    """Of each metric that was seen; what was not is said."""
    look = look_at(side(12), side(12, turned=True), rules=[P99, rule_for(parse_metric("tls.p50"))])
    assert ["response.p99"] == list(learned_scatter(look))
    (name, scatters, told), (_, unseen, why) = told_apart(look)
    assert ("response.p99", True, True) == (name, "%" in scatters, "%" in told)
    assert ("–", True) == (unseen, "saw nothing" in why)


def test_noise_belongs_to_a_machine_a_server_and_a_load() -> None:
    """Another of any has its own; when it was measured makes no difference."""
    run = run_file(case_record())
    later = run.model_copy(update={"created": "2027-01-01T00:00:00Z"})
    elsewhere = run.model_copy(update={"environment": run.environment | {"cpu": "Other"}})
    assert fingerprint(run) == fingerprint(later)
    assert fingerprint(run) != fingerprint(elsewhere)
    assert fingerprint(run) != fingerprint(run_file(case_record(concurrency=5)))

    def served(**server: str) -> dict[str, Any]:
        return fingerprint(
            run.model_copy(update={"environment": run.environment | {"server": server}})
        )

    ours, theirs = {"provider": "embedded", "version": "9.1.0"}, {"provider": "external"}
    assert served(**ours, address="127.0.0.1:7") == served(**ours, address="127.0.0.1:8")
    assert served(**theirs, address="near:1") != served(**theirs, address="far:1")
    assert served(**ours) != served(**ours | {"version": "9.1.2"})
