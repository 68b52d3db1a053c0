"""Every warning fires on what it is about, says its number, and keeps quiet otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.runs import case_record, place_record
from valkeybench.analysis.finding import Code
from valkeybench.analysis.health import health
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.errors import ResultError
from valkeybench.results.placed import Worker
from valkeybench.scenario.disturbance import Deed, Disturbance
from valkeybench.scenario.model import Driver
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord, RunWarning

THREE: dict[str, Any] = {"cpu_shares": [0.1, 0.2, 0.3]}

TROUBLED: dict[Code, tuple[dict[str, Any], str]] = {
    Code.SERVER_LOST: (
        {"lost": True},
        "3 of 3 trials: what came after is failures",
    ),
    Code.FAILURES: ({"failures": {"timeout": 5, "reset": 2}}, "timeout 15, reset 6"),
    Code.REJECTED_CONNECTIONS: ({"rejected": 4}, "turned 12 connections away"),
    Code.ABANDONED: (
        {"abandoned": 2, "in_use_left": 1},
        "6 handlers hung in a command long after the window closed, 3 connections still taken",
    ),
    Code.IN_USE_LEFT: ({"in_use_left": 2}, "6 connections were never given back"),
    Code.STARVED: ({"starved": 7}, "7 of 50 handlers"),
    Code.UNFINISHED: ({"unfinished": 300, "max_connections": 50}, "it is 702 µs or more"),
    Code.CLIENT_SATURATED: ({"cpu_share": 0.96}, "96 % of a core"),
    Code.PROCESS_SATURATED: (
        {"place": place_record(cpu_shares=[0.2, 0.97])},
        "process 1 (local) used 97 % of a core, the average one 35 %",
    ),
    Code.LOOP_LATE: ({"driver": Driver.ASYNCIO, "loop_lag_ms": 2}, "up to 2.00 ms late (p99)"),
    Code.SERVER_SATURATED: ({"server_cpu_share": 0.85}, "85 % of the time"),
    Code.BEHIND_SCHEDULE: (
        {"rate": 900.0, "dropped": 80, "duration_ms": 6000},
        "240 were due and never sent",
    ),
    Code.DISTURBED: (
        {"disturb": Disturbance(Deed.STALL, SECOND)},
        "disturbed on purpose (stall 1s)",
    ),
    Code.UNEVEN_START: (
        {"place": place_record(began_ms=[-400, 40])},
        "40.0 ms late, in a window of 3.00 s",
    ),
    Code.CROWDED: (
        {"place": place_record(Worker(name="w", host="h", cpus=2, processes=[0, 1, 2]), **THREE)},
        "3 processes shared 2 CPUs (h)",
    ),
    Code.NO_THINK: ({"think": "0", "concurrency": 10}, "do not size from it"),
    Code.POOL_BOUND: ({"in_use": [1] * 11}, "10 of 10 connections"),
    Code.REPEATS_DISAGREE: ({"p99_ms": [1, 2, 4]}, "between 999 µs and 3.99 ms"),
    Code.UNSTEADY: ({"drift": 0.2}, "throughput was 20 % lower in the second half of 3 of 3"),
    Code.FEW_SAMPLES: ({"duration_ms": 300}, "only 44 of 4\N{NARROW NO-BREAK SPACE}411 samples"),
    Code.OUT_OF_RANGE: ({"out_of_range": 2}, "6 samples lay outside of 1 ns to 1 h"),
    Code.RETRIES: ({"retried": 3}, "tried 9 commands again"),
    Code.EVICTIONS: ({"evicted": 8}, "evicted 24 keys"),
    Code.CONNECTIONS_DISAGREE: ({"connections_counted": 12}, "opened 30 connections, the server"),
}


def two_hosts(cpus: int | None) -> tuple[Worker, Worker]:
    """Make two machines that share three processes."""
    return (
        Worker(name="a", host="one", cpus=cpus, processes=[0, 2]),
        Worker(name="b", host="two", cpus=cpus, processes=[1]),
    )


def codes(*cases: CaseRecord) -> list[str]:
    """Give the codes of the warnings about these cases."""
    return [warning.code for warning in health(cases)]


def only(code: Code, *cases: CaseRecord) -> RunWarning:
    """Give the one warning with that code."""
    [found] = [warning for warning in health(cases) if warning.code == code]
    return found


def remedy(code: Code, **wishes: Any) -> str:  # noqa: ANN401 - whatever a case can be
    """Give the remedy offered to such a case."""
    return only(code, case_record(**wishes)).remedy


@pytest.mark.parametrize("pool", ["blocking", "fair", "raising"])
def test_a_healthy_case_gets_no_warning(pool: str) -> None:
    """Nobody is warned of nothing; a few commands are always under way at the end."""
    assert [] == health([case_record(pool, unfinished=2)])


def test_a_case_without_a_finished_trial_is_passed_over() -> None:
    """What was not measured cannot be wrong."""
    assert [] == health([case_record(repeats=0)])


@pytest.mark.parametrize("code", list(Code))
def test_each_trouble_is_found_and_measured(code: Code) -> None:
    """One warning with this code and no other, its message with the number, its remedy said."""
    wishes, number = TROUBLED[code]
    case = case_record(**wishes)
    [warning] = health([case])

    assert (code, case.id) == (warning.code, warning.case)
    assert number in warning.message
    assert warning.remedy


@pytest.mark.parametrize(
    ("code", "wishes"),
    [
        (Code.CLIENT_SATURATED, {"cpu_share": 0.89}),
        (Code.CLIENT_SATURATED, {"cpu_share": [0.99, 0.5, 0.5]}),
        (Code.LOOP_LATE, {"driver": Driver.ASYNCIO, "loop_lag_ms": 2, "p99_ms": 9}),
        (Code.LOOP_LATE, {"driver": Driver.ASYNCIO, "loop_lag_ms": 0.9}),
        (Code.SERVER_SATURATED, {"server_cpu_share": 0.79}),
        (Code.SERVER_SATURATED, {"server_cpu_share": None}),
        (Code.SERVER_SATURATED, {"server": False}),
        (Code.UNFINISHED, {"unfinished": 140}),
        (Code.REPEATS_DISAGREE, {"p99_ms": [1.0, 1.1, 1.2], "throughput": [4900, 4700, 4950]}),
        (Code.REPEATS_DISAGREE, {"repeats": 1}),
        (Code.UNSTEADY, {"drift": 0.025}),
        (Code.POOL_BOUND, {"in_use": [10_000, 10, 10, 10, 10, 10, 10, 10, 10, 1]}),
        (Code.POOL_BOUND, {"concurrency": 50, "max_connections": 50, "in_use": [1] * 50}),
        (Code.FEW_SAMPLES, {"duration_ms": 700}),
        (Code.STARVED, {"fairness": 0.92}),
        (Code.CONNECTIONS_DISAGREE, {"connections_counted": 11, "abandoned": 1}),
        (Code.IN_USE_LEFT, {"in_use_left": 2, "abandoned": 2}),
        (Code.PROCESS_SATURATED, {"place": place_record(cpu_shares=[0.2, 0.89])}),
        (Code.PROCESS_SATURATED, {"place": place_record(cpu_shares=[1.0])}),
        (Code.PROCESS_SATURATED, {"place": place_record(cpu_shares=[1, 1]), "cpu_share": 0.95}),
        (Code.UNEVEN_START, {"place": place_record(began_ms=[-400, 30])}),
        (Code.CROWDED, {"place": place_record(*two_hosts(cpus=2), **THREE)}),
        (Code.CROWDED, {"place": place_record(*two_hosts(cpus=None), **THREE)}),
        (Code.CONNECTIONS_DISAGREE, {"connections_counted": 3, "server": False}),
    ],
)
def test_what_stays_within_the_lines_is_no_trouble(code: Code, wishes: dict[str, Any]) -> None:
    """Close to a threshold, or not known, is not beyond it."""
    assert code not in codes(case_record(**wishes))


def test_the_most_important_comes_first_and_nothing_twice() -> None:
    """Warnings are in the order of their codes, one for each code and case."""
    everything: dict[str, Any] = {}
    for code in (Code.FAILURES, Code.STARVED, Code.UNFINISHED, Code.CLIENT_SATURATED):
        everything |= TROUBLED[code][0]
    everything |= {"p99_ms": [1, 2, 4], "evicted": 3, "drift": 0.3}
    cases = [case_record("blocking", **everything), case_record("fair", **everything)]
    found = [(Code(warning.code), warning.case) for warning in health(cases)]

    order = list(Code)
    assert sorted(found, key=lambda each: order.index(each[0])) == found
    assert len(set(found)) == len(found)
    assert {"blocking-m50-c50", "fair-m50-c50"} == {case for _, case in found}
    assert Code.FAILURES == found[0][0]


def test_workers_of_one_machine_share_its_cpus() -> None:
    """Each sees all of them; together they have no more."""
    workers = (
        Worker(name="a", host="one", cpus=2, processes=[0, 2]),
        Worker(name="b", host="one", cpus=2, processes=[1]),
    )
    found = only(Code.CROWDED, case_record(place=place_record(*workers, **THREE)))
    assert "3 processes shared 2 CPUs (one)" in found.message


def test_a_clock_that_may_be_wrong_is_an_uneven_start() -> None:
    """As long as it can be off, for more than a hundredth of the window."""
    worker = Worker(name="far", host="far", cpus=8, processes=[0, 1], clock_error_ns=31_000_000)
    found = only(Code.UNEVEN_START, case_record(place=place_record(worker)))
    assert "31.0 ms late" in found.message


def test_thresholds_can_be_moved() -> None:
    """The lines are an argument, not a law."""
    assert [Code.CLIENT_SATURATED] == [
        warning.code for warning in health([case_record()], Thresholds(client_cpu=0.3))
    ]


def test_nonsense_in_a_file_is_an_error_with_its_place() -> None:
    """An axis that is no axis value is not guessed at."""
    case = case_record()
    edited = case.model_copy(update={"axes": {**case.axes, "think": "soon"}})

    with pytest.raises(ResultError, match="case blocking-m10-c50: 'soon' is no value for think"):
        health([edited])


# --- a pool that was the limit ---


STARVING_PHASES = {"pool_wait": 1.25, "command": 0.07, "release": 0.01}
"""What a pool of one does to fifty handlers that ask again at once."""


def test_a_pool_that_starves_its_waiters_was_the_limit() -> None:
    """Who is served finds it free and who is not asks once: the waiting tells, in figures."""
    case = case_record(
        max_connections=1,
        throughput=10_800,
        phases=STARVING_PHASES,
        in_use=[9_000, 1],
        starved=33,
        unfinished=50,
    )
    warning = only(Code.POOL_BOUND, case)

    assert "94 % of their time waiting for a connection of a pool of 1:" in warning.message
    assert "the pool was the limit" in warning.message
    assert "with a larger pool as well (--max-conn)" in warning.remedy


def test_handlers_that_never_got_through_tell_of_a_limit_by_their_number() -> None:
    """Those that wait from before the window to its end are in no other figure."""
    case = case_record(max_connections=2, in_use=[1], unfinished=48)
    warning = only(Code.POOL_BOUND, case)

    assert "46 of 50 handlers still waited for a connection of a pool of 2" in warning.message


@pytest.mark.parametrize(
    "wishes",
    [
        # Asking takes long in a busy client, but never was every connection taken.
        {"phases": {"pool_wait": 0.6, "command": 0.2}, "in_use": [1_000_000, 1]},
        # Every connection was taken once, and hardly anybody waited.
        {"phases": {"pool_wait": 0.05, "command": 0.2}, "in_use": [10_000_000, *[1] * 10]},
        # As many under way at the end as there are connections, and two.
        {"unfinished": 12},
    ],
)
def test_waiting_alone_is_no_limit(wishes: dict[str, Any]) -> None:
    """Each sign needs the other half of its evidence."""
    assert Code.POOL_BOUND not in codes(case_record(**wishes))


# --- starvation ---


def test_unequal_shares_are_starvation_before_anybody_has_nothing() -> None:
    """A fairness no chance explains is warned of, although nobody is below a tenth."""
    warning = only(Code.STARVED, case_record(fairness=0.7))

    assert "very unequal shares (fairness 0.70)" in warning.message


def test_too_few_commands_to_tell_are_not_called_starvation() -> None:
    """When handlers do three commands each, some do none by chance."""
    assert Code.STARVED not in codes(case_record(throughput=50, starved=5, fairness=0.6))


def test_starved_handlers_are_those_of_the_worst_trial() -> None:
    """Repeats do not add up to more handlers than there are."""
    assert (
        "16 of 20 handlers"
        in only(Code.STARVED, case_record(concurrency=20, max_connections=4, starved=16)).message
    )


@pytest.mark.parametrize(
    ("wishes", "advice"),
    [
        ({"think": "0"}, "give handlers think time (--think 10ms), or use a pool that serves in"),
        ({}, "use a larger pool (--max-conn), or a pool that serves in order (--pool fair)"),
        ({"pool": "fair"}, "already serves in order; use a larger pool (--max-conn)"),
        ({"pool": "none"}, "use fewer handlers (--concurrency)"),
        ({"max_connections": 50}, "find what leaves some of them without an answer"),
        ({"pool": "raising", "max_connections": 50}, "--socket-timeout 500ms"),
        ({"max_connections": 49}, "use a larger pool (--max-conn)"),
    ],
)
def test_who_starves_is_not_told_what_they_do_already(wishes: dict[str, Any], advice: str) -> None:
    """The cure fits the pool and the think time there are."""
    assert advice in remedy(Code.STARVED, starved=9, **wishes)


def test_unfinished_commands_of_the_starved_are_not_cured_by_time() -> None:
    """Measuring longer helps whom the window cut off, not who waits for ever."""
    assert "measure longer" in remedy(Code.UNFINISHED, unfinished=300)
    assert "cure the starvation first" in remedy(Code.UNFINISHED, unfinished=300, starved=5)


# --- remedies that know what is done already ---


@pytest.mark.parametrize(
    ("wishes", "advice"),
    [
        ({}, "--processes 2 --concurrency 25"),
        ({"processes": 2}, "--processes 4 --concurrency 25"),
        ({"think": "0"}, "--think 10ms"),
        ({"pool": "none"}, "use a pool"),
    ],
)
def test_a_busy_client_is_told_what_helps_it(wishes: dict[str, Any], advice: str) -> None:
    """More processes where there are handlers to spread, think time or a pool where missing."""
    assert advice in remedy(Code.CLIENT_SATURATED, cpu_share=0.99, **wishes)


def test_each_of_several_processes_has_its_own_core() -> None:
    """The share is that of one process, and the message says so."""
    warning = only(Code.CLIENT_SATURATED, case_record(processes=2, cpu_share=0.95))

    assert warning.message.startswith("each client process used 95 % of a core")


def test_repeats_are_asked_for_until_there_are_enough() -> None:
    """Somebody with seven repeats is not told to repeat more; pinning is told while not done."""
    apart = [1.0, 2.0, 4.0, 1.0, 2.0, 4.0, 1.0]
    few, many = (case_record(repeats=n, p99_ms=apart) for n in (3, 7))
    client = many.trials[0].client.model_copy(update={"pinned_to": [0]})
    pinned = many.model_copy(
        update={"trials": [t.model_copy(update={"client": client}) for t in many.trials]}
    )

    assert "--repeats 7" in only(Code.REPEATS_DISAGREE, few).remedy
    assert "--repeats" not in only(Code.REPEATS_DISAGREE, many).remedy
    assert "--pin auto" in only(Code.REPEATS_DISAGREE, many).remedy
    assert "measure on a quieter machine" == only(Code.REPEATS_DISAGREE, pinned).remedy


def test_throughput_that_scatters_is_repeats_that_disagree() -> None:
    """Five per cent is ten times what throughput scatters when nothing is wrong."""
    warning = only(Code.REPEATS_DISAGREE, case_record(throughput=[4900, 4000, 4500]))

    assert "throughput lay between 4\N{NARROW NO-BREAK SPACE}000 and" in warning.message


def test_a_stuck_handler_is_told_of_the_timeout_it_lacks() -> None:
    """Whoever has a socket timeout is not told to set one, but to look at the server."""
    assert "set a socket timeout" in remedy(Code.ABANDONED, abandoned=1, socket_timeout_ns=None)
    assert "what the server is busy with" in remedy(Code.ABANDONED, abandoned=1)


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("pool_exhausted", "--pool blocking"),
        ("pool_timeout", "--pool-timeout"),
        ("connect_timeout", "--connect-timeout"),
        ("connect_refused", "listens there"),
        ("client_limit", "ulimit -n"),
        ("max_clients", "maxclients"),
        ("auth", "password"),
        ("tls", "certificates"),
        ("timeout", "--socket-timeout"),
        ("reset", "closes connections"),
        ("reply_error", "type of its keys"),
        ("of_the_future", "see what the server answered"),
    ],
)
def test_every_kind_of_failure_has_its_remedy(kind: str, advice: str) -> None:
    """The remedy is for the kind that happened, also for one a later version may name."""
    assert advice in remedy(Code.FAILURES, failures={kind: 3})


def test_few_failures_are_not_rounded_away() -> None:
    """Three of forty thousand is not 0.0 %."""
    assert (
        "(under 0.1 %) failed" in only(Code.FAILURES, case_record(failures={"timeout": 1})).message
    )


# --- the pool as the limit ---


def test_a_pool_that_was_the_limit_points_to_one_that_was_not() -> None:
    """The same policy first, then the larger pool."""
    bound = case_record(max_connections=2, in_use=[1, 1, 1])
    others = [
        case_record(max_connections=25),
        case_record(max_connections=10),
        case_record("raising", max_connections=40),
        case_record(max_connections=40, concurrency=80),
    ]

    assert (
        "read the need from the blocking pool of 25" in only(Code.POOL_BOUND, bound, *others).remedy
    )
    assert "a larger pool as well (--max-conn)" in only(Code.POOL_BOUND, bound).remedy


def test_a_raising_pool_that_failed_was_the_limit() -> None:
    """Who raises never makes anybody wait; the failures tell."""
    case = case_record("raising", max_connections=5, failures={"pool_exhausted": 7}, in_use=[1])

    assert "21 commands got no connection from a pool of 5" in only(Code.POOL_BOUND, case).message


# --- time and numbers ---


def test_a_drift_in_one_trial_of_three_is_not_the_case_s() -> None:
    """One trial that drifts is noise between repeats; most of them are a case not settled."""
    steady, drifting = case_record(), case_record(drift=0.2)
    mixed = steady.model_copy(update={"trials": [*steady.trials[:2], drifting.trials[2]]})
    most = steady.model_copy(update={"trials": [steady.trials[0], *drifting.trials[1:]]})

    assert Code.UNSTEADY not in codes(mixed)
    assert "2 of 3 trials" in only(Code.UNSTEADY, most).message


def test_a_last_interval_that_was_cut_off_hides_no_drift() -> None:
    """Half an interval holds half the commands; taken for a whole one, it looks like chance."""
    case = case_record(drift=0.2)
    trials = []
    for trial in case.trials:
        last = trial.series[-1]
        cut = last.model_copy(update={"throughput": 0.0, "response_p50_ns": None})
        length = last.start_ns + (trial.duration_ns - last.start_ns) // 2
        series = [*trial.series[:-1], cut]
        trials.append(trial.model_copy(update={"series": series, "duration_ns": length}))
    steady = [t.model_copy(update={"duration_ns": 3 * 10**9}) for t in trials]

    assert (
        "throughput was" in only(Code.UNSTEADY, case.model_copy(update={"trials": trials})).message
    )
    assert (
        "throughput was"
        not in only(Code.UNSTEADY, case.model_copy(update={"trials": steady})).message
    )


def test_the_median_may_drift_alone() -> None:
    """Paced handlers send as many commands however slow these become."""
    case = case_record(drift=0.2)
    trials = [
        trial.model_copy(
            update={"series": [i.model_copy(update={"throughput": 4900.0}) for i in trial.series]}
        )
        for trial in case.trials
    ]
    warning = only(Code.UNSTEADY, case.model_copy(update={"trials": trials}))

    assert warning.message.startswith("the median response time was 20 % higher")


@pytest.mark.parametrize("half", [0, 1, 2])
def test_a_series_too_short_for_halves_is_not_judged(half: int) -> None:
    """Two intervals have no variance worth the name, although the drift lies between them."""
    case = case_record(drift=0.5)
    trials = [
        t.model_copy(update={"series": t.series[5 - half : 5 + half + half // 2]})
        for t in case.trials
    ]

    assert Code.UNSTEADY not in codes(case.model_copy(update={"trials": trials}))


@pytest.mark.parametrize(
    ("throughput", "believed"),
    [(500, "trust p95 and below"), (100, "trust p75 and below"), (10, "trust no percentile")],
)
def test_few_samples_say_which_percentile_to_trust(throughput: int, believed: str) -> None:
    """A percentile is to be trusted when a hundred samples lie beyond it."""
    warning = only(Code.FEW_SAMPLES, case_record(throughput=throughput))

    assert believed in warning.message


def test_few_samples_say_how_long_is_long_enough() -> None:
    """500 a second in 3 repeats: 7 seconds each make ten thousand."""
    assert "measure longer: --duration 7s" == remedy(Code.FEW_SAMPLES, throughput=500)


def test_no_sample_at_all_is_said_in_so_many_words() -> None:
    """Nothing completed is not a percentile of few."""
    assert "no command completed" in only(Code.FEW_SAMPLES, case_record(throughput=0)).message


@pytest.mark.parametrize(
    ("counted", "who"), [(12, "somebody else uses that server"), (8, "shares connections")]
)
def test_connections_only_one_side_knows_of_are_explained(counted: int, who: str) -> None:
    """More are other clients', fewer are hidden by something in between."""
    case = case_record(connections_counted=counted)

    assert who in only(Code.CONNECTIONS_DISAGREE, case).message


def test_a_counter_that_stood_still_is_no_trouble() -> None:
    """What a server evicted before the trial is not the trial's, nor what it forgot since."""
    case = case_record(evicted=4)
    trials = []
    for trial, evicted in zip(case.trials, (4, 4, 9), strict=True):
        assert trial.server is not None
        before = trial.server.before.model_copy(update={"evicted_keys": evicted})
        server = trial.server.model_copy(update={"before": before})
        trials.append(trial.model_copy(update={"server": server}))

    assert [] == codes(case.model_copy(update={"trials": trials}))


@pytest.mark.parametrize("counter", ["rejected_connections", "evicted_keys"])
def test_a_counter_the_server_did_not_tell_is_not_zero(counter: str) -> None:
    """Not known before the trial means that nobody knows by how much it grew."""
    case = case_record(rejected=4, evicted=4)
    trials = []
    for trial in case.trials:
        assert trial.server is not None
        before = trial.server.before.model_copy(update={counter: None})
        server = trial.server.model_copy(update={"before": before})
        trials.append(trial.model_copy(update={"server": server}))
    found = codes(case.model_copy(update={"trials": trials}))
    other = {Code.REJECTED_CONNECTIONS: "rejected_connections", Code.EVICTIONS: "evicted_keys"}

    assert [code for code, name in other.items() if name != counter] == [
        code for code in found if code in other
    ]
