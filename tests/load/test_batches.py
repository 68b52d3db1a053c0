"""Batches on a real server: one round trip, one request, every command counted and sent."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.load.fakes import HANG_UP, Answer, fake_server, usual
from tests.load.loads import (
    NEARLY,
    PREFIX,
    AnyClient,
    assert_adds_up,
    drive_apart,
    drive_here,
    few_handlers,
    make_trial,
    total_ns,
)
from valkeybench.measurement.metrics import Phase
from valkeybench.scenario.model import Clients, Pool
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from valkeybench.plan.trial import Trial
    from valkeybench.server.endpoint import Endpoint

EVERYTHING = (
    "GET a:{zipf:0..9} @2",
    "PIPELINE 3 GET a:{0..9} ; SET b:{seq:0..9} {value}",
    "MULTI INCR n ; 2 GET n",
)


def batches(*commands: str, **changes: Any) -> Trial:  # noqa: ANN401 - any of a trial or a case
    """Make a short trial of these."""
    case = {name: changes.pop(name) for name in ("pool", "clients", "rtt_ns") if name in changes}
    return make_trial(few_handlers(**case), commands=commands, **changes)


def calls(client: AnyClient) -> dict[str, int]:
    """Read how often the server was sent each command."""
    stats = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING, Pool.FAIR])
def test_the_server_was_sent_what_was_counted(
    embedded: Endpoint, server: AnyClient, pool: Pool
) -> None:
    """Without a warm-up, and driven to the end, its own statistics agree to the command.

    The last requests may end after the window: they are sent too, and count as unfinished.
    """
    server.config_resetstat()
    seen = drive_here(batches("PIPELINE 3 GET a ; SET b v", pool=pool), embedded)
    sent = calls(server)

    assert 0 < seen.completed
    assert seen.attempted == seen.completed + seen.unfinished
    assert seen.commands == 4 * seen.completed
    assert {"get": 3 * seen.attempted, "set": seen.attempted} == {
        name: sent[name] for name in ("get", "set")
    }
    assert "multi" not in sent


def test_a_mix_is_counted_to_the_command(embedded: Endpoint, server: AnyClient) -> None:
    """Single commands, pipelines and transactions: each transaction has its MULTI and its EXEC."""
    server.config_resetstat()
    seen = drive_here(batches(*EVERYTHING), embedded)
    sent = calls(server)

    assert {} == seen.failures
    singles = sent["get"] - 3 * sent["set"] - 2 * sent["incr"]
    assert sent["multi"] == sent["exec"] == sent["incr"]
    assert seen.attempted == singles + sent["set"] + sent["incr"]
    commands = sent["get"] + sent["set"] + sent["incr"]
    # What was under way at the end held one to four commands each.
    assert commands - 4 * seen.unfinished <= seen.commands <= commands - seen.unfinished


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.RAISING, Pool.BLOCKING])
@pytest.mark.parametrize("clients", Clients)
def test_the_phases_of_batches_add_up(embedded: Endpoint, pool: Pool, clients: Clients) -> None:
    """To the nanosecond; building the pipeline is construction and no waiting for the pool."""
    seen = drive_here(batches(*EVERYTHING, pool=pool, clients=clients), embedded)

    assert 0 < seen.completed < seen.commands
    assert_adds_up(seen)
    assert 0 < total_ns(seen, Phase.CONSTRUCT)


def test_building_a_large_pipeline_is_construction(embedded: Endpoint) -> None:
    """A handler alone with its pool waits for nobody, however much it has to build.

    By the medians: a machine may stop anybody anywhere once in a while.
    """
    case = few_handlers(pool=Pool.BLOCKING, concurrency=1)
    seen = drive_here(make_trial(case, commands=("PIPELINE 500 GET a",)), embedded)
    waited, built = (
        seen.histograms[phase].quantile(0.5) for phase in (Phase.POOL_WAIT, Phase.CONSTRUCT)
    )
    assert waited is not None
    assert built is not None
    assert waited < built


def test_warm_up_is_in_neither_count(embedded: Endpoint) -> None:
    """Commands of batches are counted in the window alone, as requests are."""
    trial = batches("PIPELINE 5 GET a", warmup_ns=150 * MILLISECOND)
    seen = drive_here(trial, embedded)
    assert seen.commands == 5 * seen.completed


def test_processes_count_their_commands_together(embedded: Endpoint) -> None:
    """Measurements that add up add these up too."""
    case = few_handlers(processes=2)
    trial = make_trial(case, commands=("PIPELINE 5 GET a",), warmup_ns=50 * MILLISECOND)
    seen = drive_apart(trial, embedded)
    assert 0 < seen.completed
    assert seen.commands == 5 * seen.completed


def test_single_commands_are_requests(embedded: Endpoint) -> None:
    """Where there is no batch, both counts are the same."""
    seen = drive_here(batches("GET a", "PING"), embedded)
    assert 0 < seen.completed == seen.commands


def test_a_transaction_is_atomic(embedded: Endpoint, server: AnyClient) -> None:
    """Nobody who looks in between ever sees one of its commands without the other."""
    texts = ("MULTI INCR n ; INCR m",)
    seen_apart = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            n, m = server.mget(f"{PREFIX}n", f"{PREFIX}m")
            seen_apart.append(n != m)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        drive_here(batches(*texts), embedded)
    finally:
        stop.set()
        looker.join()
    assert 10 < len(seen_apart)
    assert not any(seen_apart)


@pytest.mark.parametrize("text", ["PIPELINE 2 GET a ; LPUSH a v", "MULTI GET a ; LPUSH a v"])
@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_a_failed_command_fails_its_batch(
    embedded: Endpoint, server: AnyClient, text: str, pool: Pool
) -> None:
    """One failed request with its kind, none completed; the connection is as good as before."""
    server.set(f"{PREFIX}a", "a string")
    seen = drive_here(batches(text, "PING", pool=pool), embedded)

    assert {"reply_error"} == set(seen.failures)
    assert 0 < seen.failures["reply_error"]
    assert seen.attempted == seen.completed + seen.failed + seen.unfinished
    assert 0 < seen.completed == seen.commands  # the PINGs
    assert_adds_up(seen)


def test_a_batch_that_is_cut_off_is_one_failure() -> None:
    """However many commands it held."""

    def hangs_up(words: tuple[str, ...], number: int) -> Answer:
        return HANG_UP if words[0] == "SET" else usual(words, number)

    trial = batches("PIPELINE 3 GET a ; SET b v", prewarm=False)
    with fake_server(hangs_up) as server:
        seen = drive_here(trial, server.endpoint)
        sets = server.count(lambda words: words[0] == "SET")
    assert {"reset": seen.failed} == seen.failures
    assert 0 == seen.completed == seen.commands
    assert sets == seen.failed + seen.unfinished


def test_a_batch_is_one_round_trip(embedded: Endpoint) -> None:
    """Over an emulated distance ten commands wait once, not ten times."""
    rtt_ns = 20 * MILLISECOND
    seen = drive_here(
        batches("PIPELINE 10 GET a", rtt_ns=rtt_ns, lasts_ns=500 * MILLISECOND), embedded
    )
    shortest = seen.histograms[Phase.COMMAND].minimum
    assert shortest is not None
    assert NEARLY * rtt_ns <= shortest < 2 * rtt_ns
