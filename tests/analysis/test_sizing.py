"""A size follows from what handlers found, and there is none where that means nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runs import case_record, run_file
from valkeybench.analysis.queueing import smallest_pool
from valkeybench.analysis.sizing import recommend
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.results.runfile import Node

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord, Recommendation

SIX_OF_TEN = [8_990, 700, 200, 75, 21, 10, 4]
"""What 10 000 acquires found: 99 % at most 3, 99.9 % at most 5, one in 2 500 as many as 6."""


def only(*cases: CaseRecord) -> Recommendation:
    """Give the one recommendation for these cases."""
    [found] = recommend(cases)
    return found


def sizes(found: Recommendation) -> tuple[int | None, int | None]:
    """Give the size and the minimum."""
    return found.max_connections, found.minimum


# --- where the pool was no limit ---


def test_the_size_is_the_in_use_quantile_and_one() -> None:
    """One more than 99.9 % of the acquires found taken; for the minimum, than 99 %."""
    found = only(case_record(in_use=SIX_OF_TEN))

    assert ("size", "estimated") == (found.verdict, found.basis)
    assert (6, 3 + 1) == sizes(found)


def test_the_reason_is_in_numbers_a_person_understands() -> None:
    """Who found what, how often, what follows, and that growth is extra."""
    assert (
        "The pool of 10 was no limit: handlers found at most 5 of its connections taken in 99.9 %"
        " of 44\N{NARROW NO-BREAK SPACE}103 acquires, so 6 are enough; in 99 % at most 3, so fewer"
        " than 4 are not worth trying. Headroom for growth is not in it: 25 % more is 8."
    ) == only(case_record(in_use=SIX_OF_TEN)).reason


def test_the_evidence_holds_the_numbers_behind_it() -> None:
    """Acquires, repeats, Little's law with the hold that was measured, and the other rules."""
    case = case_record(in_use=SIX_OF_TEN)
    evidence: dict[str, Any] = only(case).evidence
    assert case.summary is not None
    held_ns = 180_000  # 0.17 ms of command and 0.01 ms of release

    assert 44_103 == evidence["acquires"]
    assert 18 == evidence["acquires_beyond"]
    assert [6, 6, 6] == evidence["repeats"]
    assert case.summary.in_use is not None
    assert case.summary.in_use.model_dump() == evidence["in_use"]
    assert pytest.approx(held_ns, rel=1e-3) == evidence["hold_ns"]
    assert pytest.approx(10_000_000, rel=1e-2) == evidence["think_ns"]
    assert (
        pytest.approx(case.summary.throughput * held_ns / 1e9, rel=1e-2)
        == (evidence["littles_law"])
    )
    assert (False, None, "blocking-m10-c50") == (
        evidence["pool_bound"],
        evidence["model"],
        evidence["case"],
    )
    assert {
        "handlers_plus_10_percent": 55,
        "little_times_1_5": 2,
        "erlang_c": 6,
        "finite_source": 6,
    } == evidence["other_rules"]
    assert (8, 0.25) == (evidence["with_headroom"], evidence["headroom"])


@given(
    st.lists(st.integers(0, 2000), min_size=1, max_size=40).filter(lambda w: sum(w) > 0),
    st.integers(1, 40),
    st.sampled_from(["blocking", "fair", "raising"]),
)
def test_a_size_is_never_below_one_nor_above_the_handlers(
    weights: list[int], handlers: int, pool: str
) -> None:
    """Whatever was found: 1 ≤ minimum ≤ size ≤ handlers, and the same with headroom."""
    found = only(
        case_record(pool, 60, concurrency=handlers, in_use=weights, repeats=1, throughput=2000)
    )

    assert found.verdict == "size"
    assert found.max_connections is not None
    assert found.minimum is not None
    assert 1 <= found.minimum <= found.max_connections <= handlers
    assert found.max_connections <= int(str(found.evidence["with_headroom"])) <= handlers


def test_the_largest_pool_is_read_and_the_unpooled_case_is_context() -> None:
    """Smaller pools and no pool at all hide the need; the order of cases does not matter."""
    cases = [
        case_record("none", cpu_share=0.99),
        case_record(max_connections=2, in_use=[1, 1, 1]),
        case_record(max_connections=25, in_use=SIX_OF_TEN),
        case_record(max_connections=10, in_use=[1]),
        case_record("raising", 40, failures={"pool_exhausted": 50}, in_use=[1, 1, 1]),
    ]

    assert recommend(cases) == recommend(cases[::-1])
    assert "blocking-m25-c50" == only(*cases).evidence["case"]
    assert (6, 4) == sizes(only(*cases))


def test_of_two_pools_of_a_size_the_one_that_serves_all_is_read() -> None:
    """Between equals the blocking pool is read, unless its handlers starve."""
    fair = case_record("fair", in_use=[1])
    blocking = case_record("blocking", in_use=SIX_OF_TEN)

    assert "blocking-m10-c50" == only(fair, blocking).evidence["case"]
    assert "fair-m10-c50" == only(fair, case_record("blocking", starved=5)).evidence["case"]


def test_nothing_found_taken_needs_one() -> None:
    """A single handler at a time needs a single connection, in good English."""
    found = only(case_record(in_use=[1]))

    assert (1, 1) == sizes(found)
    assert found.reason.startswith(
        "The pool of 10 was no limit: handlers found none of its connections taken in 99.9 %"
    )
    assert "so 1 is enough." in found.reason


def test_a_connection_for_every_handler_is_the_most() -> None:
    """What every handler has at once cannot be exceeded, and is said."""
    found = only(case_record(max_connections=5, concurrency=5, in_use=[1, 1, 1, 1, 96]))

    assert (5, 5) == sizes(found)
    assert "That is one for each handler; more could never be used." in found.reason
    assert "Headroom" not in found.reason


def test_processes_have_a_pool_each() -> None:
    """The size is for one process; the total is said."""
    found = only(case_record(processes=4, in_use=SIX_OF_TEN))

    alone = only(case_record(in_use=SIX_OF_TEN))

    assert 6 == found.max_connections
    assert alone.evidence["littles_law"] == found.evidence["littles_law"]
    assert "Each of the 4 processes has a pool of its own: 24 connections in all." in found.reason


def test_a_raising_pool_fails_who_finds_none_free() -> None:
    """Enough for 99.9 % is an error for the rest, unless they may wait."""
    assert "A raising pool fails" in only(case_record("raising", in_use=SIX_OF_TEN)).reason
    assert "raising" not in only(case_record("fair", in_use=SIX_OF_TEN)).reason


def test_few_acquires_make_a_size_doubtful() -> None:
    """Below twenty acquires beyond p99.9, it may be off by one or two."""
    assert (
        "rests on 4 acquires beyond 99.9 %"
        in only(case_record(in_use=SIX_OF_TEN, duration_ms=300)).reason
    )


def test_repeats_that_say_otherwise_are_told() -> None:
    """Each repeat's own answer is shown when they differ by more than a connection or so."""
    each = [[1000, 1], [1000, 1, 1, 2], [1000, 2, 2, 2, 2, 2]]
    found = only(case_record(in_use=[SIX_OF_TEN, [*SIX_OF_TEN, 90, 80], SIX_OF_TEN]))

    assert "The repeats alone would have said 6, 9, 6: 9 is on the safe side" in found.reason
    assert "repeats alone" not in only(case_record(in_use=each[:1] * 3)).reason


def test_headroom_is_the_reader_s_to_choose() -> None:
    """It is shown beside the size, whatever it is, and not added to it."""
    [found] = recommend([case_record(in_use=SIX_OF_TEN)], Thresholds(headroom=0.5))

    assert 6 == found.max_connections
    assert "50 % more is 9" in found.reason


# --- when the size found was run as well ---


def test_a_size_that_ran_and_was_enough_is_measured() -> None:
    """A case of that size in which at most 0.1 % found none free makes the estimate more."""
    small = case_record(max_connections=6, in_use=[*SIX_OF_TEN[:6], 8])
    found = only(case_record(in_use=SIX_OF_TEN), small)

    assert (6, "measured", "blocking-m6-c50") == (
        found.max_connections,
        found.basis,
        found.evidence["tried"],
    )
    assert "It was tried: p99 was 702 µs, against 702 µs." in found.reason


@pytest.mark.parametrize(
    "wishes",
    [
        {"in_use": [*SIX_OF_TEN[:6], 20]},
        {"failures": {"pool_timeout": 50}, "in_use": SIX_OF_TEN[:6]},
        {"starved": 3, "in_use": SIX_OF_TEN[:6]},
        {"max_connections": 7, "in_use": SIX_OF_TEN},
    ],
)
def test_a_size_that_ran_and_was_not_enough_stays_an_estimate(wishes: dict[str, Any]) -> None:
    """Waiting, failing or starving in it, or another size, proves nothing."""
    small = case_record(**{"max_connections": 6, **wishes})

    assert "estimated" == only(case_record(in_use=SIX_OF_TEN), small).basis


def test_a_pool_just_as_large_as_needed_was_tried_itself() -> None:
    """The case the size is read from counts as well, compared with nobody."""
    found = only(case_record(max_connections=7, in_use=[*SIX_OF_TEN, 3]))
    itself = only(case_record(max_connections=7, in_use=[*SIX_OF_TEN[:6], 40]))

    assert (6, "estimated") == (found.max_connections, found.basis)
    assert (7, "measured") == (itself.max_connections, itself.basis)
    assert "It was tried: p99 was 702 µs." in itself.reason


# --- where the pool was the limit ---


def test_a_pool_that_was_the_limit_gets_the_model_s_answer() -> None:
    """Handlers that hold and think as measured, in M/M/c//N; labelled, and to be verified."""
    found = only(case_record(max_connections=2, concurrency=20, in_use=[1, 1, 1]))
    evidence: dict[str, Any] = found.evidence
    model = {
        "handlers": 20,
        "think_ns": evidence["think_ns"],
        "hold_ns": evidence["hold_ns"],
    }

    assert (
        smallest_pool(**model, waiting=0.001),
        smallest_pool(**model, waiting=0.01),
    ) == sizes(found)
    assert ("M/M/c//N", True, "estimated") == (
        evidence["model"],
        evidence["pool_bound"],
        found.basis,
    )
    assert found.reason.startswith("The pool of 2 was the limit, so the need was not seen; this is")
    assert "run this size to verify it" in found.reason


def test_a_model_never_contradicts_what_was_seen_not_to_be_enough() -> None:
    """Handlers that found all of 8 taken need 9 at least, whatever the model makes of them."""
    found = only(case_record(max_connections=8, concurrency=50, in_use=[1] * 8 + [20]))

    assert (9, 9) == sizes(found)
    assert found.evidence["other_rules"] == {
        "handlers_plus_10_percent": 55,
        "little_times_1_5": 2,
        "erlang_c": 6,
        "finite_source": 6,
    }
    assert "with 6 connections" in found.reason
    assert "Yet 8 were found taken, so 9 are the least there can be" in found.reason
    assert "this is a model's answer" not in found.reason
    assert found.evidence["model"] is None


def test_what_a_raising_pool_does_to_who_finds_none_free_is_called_failing() -> None:
    """Nobody waits for it, so no words about waiting: the model's share is one of failures."""
    raising = case_record("raising", 2, failures={"pool_exhausted": 300}, in_use=[9, 1])

    assert "an acquire finds none free and fails in less than" in only(raising).reason
    assert "more commands may fail than it says" in only(raising).reason
    assert "waits will be longer" not in only(raising).reason


def test_a_raising_pool_that_failed_leaves_the_answer_to_its_blocking_sibling() -> None:
    """What a bound pool found is not the need; a sibling that was no limit is read instead."""
    raising = case_record("raising", 2, failures={"pool_exhausted": 300}, in_use=[9, 1])
    blocking = case_record("blocking", 10, in_use=SIX_OF_TEN)

    assert "blocking-m10-c50" == only(raising, blocking).evidence["case"]
    assert "M/M/c//N" == only(raising).evidence["model"]


def test_handlers_that_failed_went_round_sooner() -> None:
    """Half the commands failing at once doubles the rounds; the think time stays what it was."""
    half = case_record(
        "raising", 2, throughput=2450, failures={"pool_exhausted": 7350}, in_use=[1, 1, 1]
    )

    assert pytest.approx(10_000_000, rel=0.03) == only(half).evidence["think_ns"]


def test_a_think_time_that_does_not_fit_is_the_one_asked_for() -> None:
    """More throughput than handlers can make is no reason for a negative pause."""
    found = only(case_record(concurrency=2, max_connections=1, throughput=90_000, in_use=[1, 1]))

    assert 10_000_000 == found.evidence["think_ns"]


# --- no size ---


@pytest.mark.parametrize(
    ("cause", "wishes", "remedy"),
    [
        ("server_lost", {"lost": True}, "the server's log"),
        ("failures", {"failures": {"timeout": 200}}, "--socket-timeout"),
        ("no_think", {"think": "0", "max_connections": 50}, "--think 10ms"),
        ("starved", {"starved": 4}, "--pool fair"),
        ("client_saturated", {"cpu_share": 0.96}, "--processes 2"),
        ("server_saturated", {"server_cpu_share": 0.9}, "take load off the server"),
        ("repeats_disagree", {"throughput": [4900, 3000, 4000]}, "--repeats 7"),
        ("repeats_disagree", {"in_use": [[1], [1], [1] * 9]}, "--repeats 7"),
        ("few_samples", {"duration_ms": 50}, "measure longer (--duration)"),
        ("few_samples", {"throughput": 0}, "see what failed"),
    ],
)
def test_no_size_where_the_numbers_mean_nothing(
    cause: str, wishes: dict[str, Any], remedy: str
) -> None:
    """The verdict names the cause with its number, and what helps."""
    found = only(case_record(**wishes))

    assert ("no_size", None, None) == (found.verdict, *sizes(found))
    assert [cause] == found.evidence["causes"]
    assert remedy in str(found.evidence["remedy"])
    assert found.reason


@pytest.mark.parametrize(
    "wishes",
    [
        {"failures": {"timeout": 100}},
        {"failures": {"pool_timeout": 1000}},
        {"cpu_share": 0.89, "server_cpu_share": 0.79},
        {"p99_ms": [1, 4, 9]},
        {"throughput": [4900, 4500, 4700]},
        {"in_use": [[1], [1], [1] * 5]},
        {"in_use": [[1] * 10, [1] * 10, [1] * 17], "max_connections": 50},
        {"duration_ms": 75},
        {"server": False},
    ],
)
def test_a_size_where_the_numbers_mean_enough(wishes: dict[str, Any]) -> None:
    """Noise in p99 alone, the pool's own failures and what is not known are no obstacle."""
    assert "size" == only(case_record(**wishes)).verdict


def test_nothing_but_failures_is_no_load_to_size_for() -> None:
    """A pool that was asked often and never gave a reply shows no hold time."""
    found = only(case_record("raising", throughput=0, failures={"pool_exhausted": 2000}))

    assert "no command completed: there is no latency to speak of" == found.reason


def test_the_worst_cause_is_the_reason_and_all_are_named() -> None:
    """One sentence for the reader, the list for scripts."""
    found = only(case_record(cpu_share=0.97, starved=9, think="0"))

    assert ["client_saturated", "no_think", "starved"] == found.evidence["causes"]
    assert "of a core" in found.reason


def test_a_busy_unpooled_case_is_no_obstacle() -> None:
    """Opening connections saturates a client that a pool does not."""
    assert "size" == only(case_record("none", cpu_share=1.1, starved=3), case_record()).verdict


def test_no_pool_no_size() -> None:
    """Who measured without a pool only is told to measure one."""
    found = only(case_record("none"))

    assert ("no_size", ["no_pool"]) == (found.verdict, found.evidence["causes"])
    assert "--pool none,blocking" in str(found.evidence["remedy"])


def test_nothing_finished_nothing_recommended() -> None:
    """Cases without a finished trial say nothing at all."""
    assert [] == recommend([case_record(repeats=0)])


# --- several loads ---


def test_each_load_gets_its_own_size() -> None:
    """One recommendation for each value of any axis but pool and size, saying for which."""
    cases = [
        case_record("none", concurrency=20),
        case_record(concurrency=20, in_use=[1, 1]),
        case_record("none", concurrency=50),
        case_record(concurrency=50, in_use=SIX_OF_TEN),
        case_record(concurrency=50, think="constant 5ms", in_use=[1, 1, 1, 1]),
    ]
    found = recommend(cases)

    assert [(20, "10ms", 2), (50, "10ms", 6), (50, "constant 5ms", 4)] == [
        (each.applies_to["concurrency"], each.applies_to["think"], each.max_connections)
        for each in found
    ]
    for each in found:
        assert {"pool", "max_connections"}.isdisjoint(each.applies_to)


def test_client_objects_tell_pooled_loads_apart_only() -> None:
    """Shared and successive clients are two loads; the unpooled case belongs to both."""
    cases = [
        case_record("none"),
        case_record(clients="shared", in_use=[1, 1]),
        case_record(clients="successive", in_use=SIX_OF_TEN),
    ]

    assert [("shared", 2), ("successive", 6)] == [
        (each.applies_to["clients"], each.max_connections) for each in recommend(cases)
    ]


def test_a_pool_s_timeout_is_the_pool_s_matter() -> None:
    """Raising pools have none, and belong to the same load as blocking ones."""
    cases = [
        case_record("raising", 10, in_use=[1, 1]),
        case_record("blocking", 20, pool_timeout_ns=10**9, in_use=SIX_OF_TEN),
    ]

    assert 6 == only(*cases).max_connections


def test_recommendations_fit_into_a_run_file() -> None:
    """What is found can be stored: plain values only, nothing infinite."""
    cases = [case_record("none"), case_record(), case_record(concurrency=20, cpu_share=1.0)]
    run = run_file(*cases, recommendations=recommend(cases))

    assert run == type(run).model_validate_json(run.model_dump_json(by_alias=True))


def test_pools_of_several_nodes_that_were_the_limit_give_no_size() -> None:
    """The model knows one pool; a single node that serves everything has one."""
    bound = case_record(max_connections=3, in_use=[1_000, 4_000, 3_000, 2_000])

    def with_nodes(*commands: int) -> CaseRecord:
        nodes = [
            Node(
                address=f"valkey://h:{number}/0", slots=1, commands=count, connections=1,
                connections_counted=1, open_max=1, in_use=None, moved=0, asked=0,
                moved_counted=0, asked_counted=0, cpu_share=None,
            )
            for number, count in enumerate(commands)
        ]  # fmt: skip
        return bound.model_copy(update={"nodes": nodes})

    several = only(with_nodes(5, 5, 0))
    assert ("no_size", None) == (several.verdict, several.max_connections)
    assert "the pools of 2 nodes were the limit" in several.reason.lower()
    assert "size" == only(with_nodes(10, 0, 0)).verdict == only(bound).verdict
