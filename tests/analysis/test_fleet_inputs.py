"""What a fleet is planned with is said by a person, read from a run, or unknown with a remedy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.analysis.fleets import a_run, a_storm, cost, inputs, plan, storm_case, usual_run
from tests.runs import case_record, run_file
from valkeybench.errors import ResultError, ScenarioError
from valkeybench.results.runfile import CaseRecord, Reading
from valkeybench.scenario.fleet import Fleet, read_fleet
from valkeybench.units import MICROSECOND, MILLISECOND, SECOND


def with_cpu(case: CaseRecord, *, cpu_us: int) -> CaseRecord:
    """Let every command of a case cost the server so much."""
    trials = []
    for trial in case.trials:
        assert trial.server is not None
        done = trial.summary.completed
        update = {
            "ready": Reading(at_ns=0, cpu_ns=10**6, commands_processed=50),
            "after": Reading(
                at_ns=1, cpu_ns=10**6 + done * cpu_us * 1000, commands_processed=50 + done
            ),
        }
        server = trial.server.model_copy(update=update)
        trials.append(trial.model_copy(update={"server": server}))
    return case.model_copy(update={"trials": trials})


def test_the_pool_is_what_the_run_recommends_with_its_headroom() -> None:
    """As `size` and `run` say it is to be pasted; the need stands beside."""
    [said] = usual_run().recommendations
    seen = inputs()
    assert said.evidence["with_headroom"] == seen.pool.value
    assert said.max_connections == seen.needed.value
    assert f"{said.max_connections}, and 25 % headroom" in seen.pool.how


def test_a_size_given_by_hand_comes_first() -> None:
    """And the need is still the run's."""
    seen = inputs(max_connections=12)
    assert (12, "--max-conn") == (seen.pool.value, seen.pool.how)
    assert seen.needed.value is not None


def test_where_no_size_is_recommended_the_pool_is_what_ran_and_says_why() -> None:
    """A saturated client makes any size meaningless; the need is not known."""
    seen = inputs(a_run(case_record(max_connections=10, cpu_share=0.97)))
    assert 10 == seen.pool.value
    assert "no size is recommended" in seen.pool.how
    assert seen.needed.value is None


def test_of_several_loads_the_one_that_needs_most_is_read() -> None:
    """Unless a case is named."""
    small, large = (case_record(max_connections=50, concurrency=n) for n in (10, 50))
    run = a_run(small, large)
    assert large.id == inputs(run).case
    assert small.id == inputs(run, case=small.id).case


def test_a_case_that_is_not_there_or_had_no_pool_is_refused() -> None:
    """With the nearest, and why."""
    run = a_run(case_record(max_connections=50), case_record("none", None))
    with pytest.raises(ScenarioError, match=r"--case: .*did you mean blocking-m50-c50"):
        inputs(run, case="blocking-m51-c50")
    with pytest.raises(ScenarioError, match="--case: none-c50 had no pool"):
        inputs(run, case="none-c50")


@pytest.mark.parametrize("cases", [(), (case_record("none", None),)])
def test_a_run_without_connections_in_use_says_nothing_of_a_fleet(
    cases: tuple[CaseRecord, ...],
) -> None:
    """Unless the size is given; then what hangs on the run is unknown."""
    run = run_file(*cases)
    with pytest.raises(ResultError, match="says nothing of connections in use") as caught:
        inputs(run)
    assert "--max-conn" in caught.value.remedy
    seen = inputs(run, max_connections=5)
    assert (5, None, None) == (seen.pool.value, seen.in_use.value, seen.rate.value)


def test_cpu_per_command_is_the_servers_over_what_it_did() -> None:
    """Over all trials of the case, between their ready and after."""
    seen = inputs(a_run(with_cpu(case_record(max_connections=50), cpu_us=7)))
    assert 7 * MICROSECOND == seen.cpu_per_command.value


def test_cpu_per_command_is_read_where_the_server_was_busiest() -> None:
    """An idle server spends several times as much on a command: there it is an upper bound."""
    idle = with_cpu(case_record(max_connections=50, server_cpu_share=0.05), cpu_us=28)
    busy = with_cpu(case_record(max_connections=50, think="1ms", server_cpu_share=0.6), cpu_us=4)
    alone, both = inputs(a_run(idle)), inputs(a_run(idle, busy), case=idle.id)
    assert (28 * MICROSECOND, True) == (alone.cpu_per_command.value, alone.cpu_is_at_most)
    assert (4 * MICROSECOND, False) == (both.cpu_per_command.value, both.cpu_is_at_most)
    assert not inputs(a_run(idle), cpu_per_command_ns=5).cpu_is_at_most


def test_the_rate_of_a_process_is_the_runs() -> None:
    """Commands over the windows, by process; a batch counts as its commands."""
    case = case_record(max_connections=50, processes=2, throughput=1000.0, batched=9000)
    assert case.summary is not None
    seconds = sum(trial.duration_ns for trial in case.trials) / SECOND
    seen = inputs(a_run(case))
    assert pytest.approx((case.summary.commands or 0) / seconds / 2) == seen.rate.value
    assert pytest.approx(10.0) == inputs(rate=10_000.0).rate.value


def test_a_case_that_did_nothing_says_nothing() -> None:
    """Neither its rate nor what hangs on it; everything else is planned."""
    idle = case_record(max_connections=50, throughput=0.0, failures={"timeout": 9})
    seen = plan(a_run(idle), max_connections=5)
    assert (None, None) == (seen.inputs.rate.value, seen.cpu.value)
    assert 5000 == seen.moments[0].connections.value
    timeless = storm_case(tls=False, per_second=9000, cpu_us=40)
    trials = [trial.model_copy(update={"duration_ns": 0}) for trial in timeless.trials]
    broken = run_file(timeless.model_copy(update={"trials": trials}))
    assert inputs(None, broken).plain.handshakes.value is None


def test_handshakes_are_those_of_the_bare_wire_at_full_speed() -> None:
    """What a client library opened, or what was paced, is no measure of the server."""
    storm = a_storm()
    seen = inputs(None, storm)
    assert (9000, 900) == (
        round(seen.plain.handshakes.value or 0, -1),
        round(seen.secure.handshakes.value or 0, -1),
    )
    assert "the client was the limit" in seen.secure.handshakes.how
    own = a_run(case_record(max_connections=50), case_record("none", None))
    assert inputs(own).plain.handshakes.value is None
    assert "--measure" in inputs(own).plain.handshakes.how
    paced = run_file(case_record("none", None, driver="wire", think="10ms"))
    assert inputs(None, paced).plain.handshakes.value is None


def test_a_busy_server_was_the_limit() -> None:
    """Nobody could have got more out of it."""
    run = run_file(storm_case(tls=False, per_second=23_000, cpu_us=42))
    assert "the server was the limit" in inputs(None, run).plain.handshakes.how


def test_cpu_per_opening_is_by_the_servers_own_count() -> None:
    """Whoever opened them; and it bounds what the server could open."""
    seen = inputs(None, a_storm()).secure
    assert 400 * MICROSECOND == seen.cpu_per_opening.value
    assert pytest.approx(2500) == seen.handshakes_by_cpu.value


def test_a_run_that_holds_storms_needs_no_other() -> None:
    """One file may have them all."""
    cases = (case_record(max_connections=50), storm_case(tls=False, per_second=5000, cpu_us=40))
    assert pytest.approx(5000, rel=0.01) == inputs(a_run(*cases)).plain.handshakes.value


def test_what_a_relay_did_is_not_the_servers() -> None:
    """Its handshakes and its memory are another program's."""
    storm = a_storm()
    relayed = {**storm.environment, "server": {"tls_provider": "relay"}}
    seen = inputs(None, storm.model_copy(update={"environment": relayed})).secure
    assert (None, None) == (seen.handshakes.value, seen.cpu_per_opening.value)
    assert "relay" in seen.handshakes.how


def test_what_a_server_behind_a_relay_spent_is_no_price_of_tls() -> None:
    """The CPU of its commands lacks TLS, so it is withheld with the reason; a flag fills it."""
    case = with_cpu(case_record(max_connections=50, tls=True, server_cpu_share=0.5), cpu_us=9)
    run = a_run(case)
    relayed = run.model_copy(
        update={"environment": {**run.environment, "server": {"tls_provider": "relay"}}}
    )
    assert pytest.approx(9 * MICROSECOND, rel=0.01) == inputs(run).cpu_per_command.value
    seen = inputs(relayed)
    assert (None, False) == (seen.cpu_per_command.value, seen.cpu_is_at_most)
    assert "a relay did TLS" in seen.cpu_per_command.how
    said = inputs(relayed, cpu_per_command_ns=9000)
    assert 9000 == said.cpu_per_command.value


def test_memory_over_tls_is_with_the_tls_librarys() -> None:
    """By allocator_allocated; used_memory alone would be a thirtieth of it."""
    seen = inputs(None, a_storm())
    assert (17_000, 1_800) == (seen.plain.memory_fresh.value, seen.plain.memory_idle.value)
    assert (73_000, 57_000) == (seen.secure.memory_fresh.value, seen.secure.memory_idle.value)


def test_memory_that_could_not_be_told_says_the_reason() -> None:
    """The note the run kept, and the flags."""
    known = [cost(tls=True, used_fresh=18_000, used_idle=2_400, note="it is in none")]
    seen = inputs(a_run(connection_costs=known)).secure
    assert seen.memory_fresh.value is None
    assert "it is in none; use --measure, or say it with --memory-fresh" in seen.memory_fresh.how


def test_by_hand_goes_for_the_way_the_fleet_goes() -> None:
    """The other way keeps what was measured."""
    seen = inputs(None, a_storm(), tls=True, handshakes=477.0, memory_idle=5, memory_fresh=9)
    assert (477.0, 9, 5) == (
        seen.way.handshakes.value,
        seen.way.memory_fresh.value,
        seen.way.memory_idle.value,
    )
    assert 17_000 == seen.plain.memory_fresh.value


@pytest.mark.parametrize(
    ("server", "maxclients", "private"),
    [
        ({"provider": "external", "maxclients": 4000}, 4000, False),
        ({"provider": "embedded", "maxclients": 10_000}, 10_000, True),
        ({"provider": "external", "nodes": [{"maxclients": 900}, {"maxclients": 800}]}, 800, False),
        ({"provider": "external"}, None, False),
        (None, None, False),
        ({"maxclients": "many", "connected_slaves": True, "nodes": 3}, None, False),
    ],
)
def test_maxclients_is_the_measured_servers(
    server: object, maxclients: int | None, *, private: bool
) -> None:
    """A private server's is named as such; nonsense in a file is no number."""
    seen = inputs(a_run(environment={"server": server}))
    assert (maxclients, private) == (seen.maxclients.value, seen.is_private)
    assert not inputs(maxclients=77).is_private


def test_a_server_that_was_measured_beside_a_private_run_tells_its_own_limit() -> None:
    """`--measure --url` asks the real one."""
    storm = a_storm(environment={"server": {"provider": "external", "maxclients": 5000}})
    assert 5000 == inputs(None, storm).maxclients.value


@pytest.mark.parametrize(
    ("said", "held"),
    [
        ({}, 600 * SECOND),
        ({"keepalive_ns": 60 * SECOND}, 120 * SECOND),
        ({"idle_timeout_ns": 90 * SECOND}, 90 * SECOND),
        ({"idle_timeout_ns": 900 * SECOND}, 600 * SECOND),
        ({"keepalive_ns": 0}, None),
        ({"keepalive_ns": 0, "idle_timeout_ns": SECOND}, SECOND),
    ],
)
def test_dead_peers_are_held_until_keepalive_or_timeout(
    said: dict[str, Any], held: int | None
) -> None:
    """Twice the keepalive, or the timeout if that is sooner; without either, for ever."""
    assert held == inputs(**said).held.value


def test_a_real_server_tells_its_own_settings() -> None:
    """Keepalive, timeout, accept queue and maxmemory; a limit of 0 bytes is none."""
    server = {
        "provider": "external",
        "tcp_keepalive_s": 60,
        "idle_timeout_s": 0,
        "tcp_backlog": 128,
        "maxmemory": 2**30,
    }
    seen = inputs(a_run(environment={"server": server}))
    assert (120 * SECOND, 128, 2**30) == (
        seen.held.value,
        seen.accept_queue.value,
        seen.server_memory.value,
    )
    unlimited = inputs(a_run(environment={"server": {**server, "maxmemory": 0}}))
    assert unlimited.server_memory.value is None
    impatient = {**server, "tcp_keepalive_s": 0, "idle_timeout_s": 30}
    assert 30 * SECOND == inputs(a_run(environment={"server": impatient})).held.value


def test_of_two_private_servers_one_tells_what_the_other_did_not() -> None:
    """An older run kept less of its server than the storm does."""
    storm = a_storm(environment={"server": {"provider": "embedded", "tcp_backlog": 511}})
    run = a_run(environment={"server": {"provider": "embedded", "maxclients": 9000}})
    seen = inputs(run, storm)
    assert (9000, 511) == (seen.maxclients.value, seen.accept_queue.value)


def test_patience_is_the_shorter_timeout_of_the_run() -> None:
    """TLS and introduction are waited for as long as a reply; redis-py's 5 s where none ran."""
    case = case_record(
        max_connections=50, connect_timeout_ns=2 * SECOND, socket_timeout_ns=500 * MILLISECOND
    )
    assert 500 * MILLISECOND == inputs(a_run(case)).patience.value
    without = case_record(max_connections=50, connect_timeout_ns=None, socket_timeout_ns=None)
    assert inputs(a_run(without)).patience.value is None
    assert 5 * SECOND == inputs(run_file(), max_connections=1).patience.value


def test_flags_make_a_fleet() -> None:
    """Each by its own kind; what is not said stays open."""
    said = {
        "processes": "40",
        "pods": "25",
        "max_conn": "12",
        "surge": "0.5",
        "safety_share": "90%",
        "server_memory": "8GiB",
        "handshakes_per_second": "477/s",
        "connect_timeout": "2s",
        "url": "ignored",
    }
    assert (
        Fleet(
            processes=40, pods=25, max_connections=12, surge=0.5, safety=0.9,
            server_memory=8 * 2**30, handshakes=477.0, patience_ns=2 * SECOND,
        )
        == read_fleet(said)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("flag", "word"),
    [
        ("processes", "0"),
        ("pods", "1.5"),
        ("surge", "-1%"),
        ("surge", "1/0"),
        ("surge", "nan"),
        ("safety_share", "0%"),
        ("safety_share", "101%"),
        ("server_memory", "-1"),
        ("server_memory", "lots"),
        ("handshakes_per_second", "0"),
        ("connect_timeout", "0"),
        ("max_conn", "0"),
        ("dead_share", "9" * 30),
    ],
)
def test_what_is_no_such_thing_is_refused_by_its_flag(flag: str, word: str) -> None:
    """With all other problems at once."""
    with pytest.raises(ScenarioError) as caught:
        read_fleet({"processes": "4", flag: word, "nodes": "none"})
    places = [problem.place for problem in caught.value.problems]
    assert ["--nodes", f"--{flag.replace('_', '-')}"] == sorted(
        places, key=lambda place: place != "--nodes"
    )
    assert all(problem.remedy for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({"server_memory": "0"}, "--server-memory"),
        ({"server_memory": "1GiB", "data_memory": "2GiB"}, "--data-memory"),
        ({"server_memory": "1GiB", "data_memory": "1GiB"}, "--data-memory"),
        ({"memory_fresh": "1KiB", "memory_idle": "9KiB"}, "--memory-idle"),
    ],
)
def test_memory_that_no_server_has_is_refused(said: dict[str, str], where: str) -> None:
    """Before anything is reckoned with it."""
    with pytest.raises(ScenarioError, match=where):
        read_fleet({"processes": "4", **said})
    fits = read_fleet({"processes": "4", "server_memory": "1GiB", "data_memory": "1000MiB"})
    assert 1000 << 20 == fits.data_memory
