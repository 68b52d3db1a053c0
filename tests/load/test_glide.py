"""valkey-glide is measured from outside: what a handler sees of it, and what the server counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.load.fakes import (
    HANG_UP,
    Answer,
    fake_server,
    is_setup,
)
from tests.load.fakes import usual as setting_up
from tests.load.loads import (
    DRIVERS,
    NEARLY,
    NO_PAUSE,
    assert_adds_up,
    drive_apart,
    drive_here,
    make_trial,
)
from tests.load.test_phases import shortest
from tests.load.test_policies import connections_received
from tests.server.processes import wait_until
from valkeybench.load.failures import failure_kind
from valkeybench.measurement.metrics import FailureKind, Phase
from valkeybench.scenario.model import Case, CertReqs, Client, Driver, EventLoop, TlsSettings
from valkeybench.scenario.secret import Secret
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.load.authorities import Authority
    from tests.load.fakes import Script, Words
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.plan.trial import Trial
    from valkeybench.server.endpoint import Endpoint

    Drive = Callable[[Trial, Endpoint], Measurement]

SHORT_NS = 200 * MILLISECOND
SEEN = {Phase.COMMAND, Phase.SERVICE, Phase.RESPONSE}
PRIMARY = Answer(reply=b"$13\r\nrole:master\r\n\r\n")


@pytest.fixture(params=[Driver.THREADS, Driver.ASYNCIO], ids=str)
def driver(request: pytest.FixtureRequest) -> Driver:
    """Give each driver there is a package of valkey-glide for."""
    chosen: Driver = request.param
    return chosen


def glide(driver: Driver, **changes: Any) -> Case:  # noqa: ANN401 - any attribute of a case
    """Make a case of three handlers over valkey-glide's connection that never pause."""
    usual: dict[str, Any] = {"client": Client.VALKEY_GLIDE, "concurrency": 3, "think": NO_PAUSE}
    return Case(driver=driver, **usual | changes)


def then(answer: Answer) -> Script:
    """Set connections up as valkey-glide expects, and give every command the same answer."""

    def script(words: Words, number: int) -> Answer:
        if words[0] == "INFO":
            return PRIMARY
        return setting_up(words, number) if is_setup(words) else answer

    return script


VALUE = then(Answer(reply=b"$1\r\nx\r\n"))


@pytest.mark.parametrize("drive", [drive_here, drive_apart])
def test_all_handlers_share_one_connection_as_the_server_says(
    embedded: Endpoint, driver: Driver, drive: Drive
) -> None:
    """What is all of a command is `command`; phases of pools and of opening there are none."""
    trial = make_trial(glide(driver), lasts_ns=SHORT_NS, warmup_ns=20 * MILLISECOND)
    seen, counted = connections_received(embedded, lambda: drive(trial, embedded))
    assert 1 == counted == seen.prewarmed.connections == seen.open_max
    assert 0 == (seen.warmup + seen.opened).connections
    assert 0 < seen.prewarm_ns
    assert {} == seen.prewarm
    assert SEEN == set(seen.histograms)
    assert 0 == seen.in_use.sum()
    assert 3 == len(seen.handlers)
    assert 0 < min(seen.handlers)
    assert ({}, 0, 0) == (seen.failures, seen.retries, seen.abandoned)
    assert_adds_up(seen)


def test_each_process_brings_its_own_connection(embedded: Endpoint, driver: Driver) -> None:
    """Whether it is to be opened before the load or not: valkey-glide opens it at once."""
    trial = make_trial(glide(driver, processes=2), lasts_ns=SHORT_NS, prewarm=False)
    seen, counted = connections_received(embedded, lambda: drive_apart(trial, embedded))
    assert 2 == counted == seen.prewarmed.connections
    assert 6 == len(seen.handlers)


@pytest.mark.parametrize("batch", ["PIPELINE 3 GET key:{0..9}", "MULTI 3 GET key:{0..9}"])
def test_a_batch_is_one_request(embedded: Endpoint, driver: Driver, batch: str) -> None:
    """Building it comes before the command, and both are all of it."""
    seen = drive_here(make_trial(glide(driver), commands=(batch,), lasts_ns=SHORT_NS), embedded)
    assert SEEN | {Phase.CONSTRUCT} == set(seen.histograms)
    assert seen.completed == seen.histograms[Phase.CONSTRUCT].count
    assert 2 * seen.completed == seen.batched
    assert_adds_up(seen)


def test_an_open_load_is_due_by_its_schedule(embedded: Endpoint, driver: Driver) -> None:
    """Lateness is the handlers', and so there is some here too."""
    seen = drive_here(make_trial(glide(driver, rate=500.0), lasts_ns=SHORT_NS), embedded)
    assert SEEN | {Phase.LATENESS} == set(seen.histograms)
    assert 0 < seen.offered
    assert_adds_up(seen)


def test_it_runs_on_uvloop_too(embedded: Endpoint) -> None:
    """Its replies come over a pipe that any event loop can watch."""
    case = glide(Driver.ASYNCIO, event_loop=EventLoop.UVLOOP)
    seen = drive_here(make_trial(case, lasts_ns=SHORT_NS), embedded)
    assert {} == seen.failures
    assert 0 < seen.completed


def test_an_emulated_distance_adds_a_round_trip_to_each_command(driver: Driver) -> None:
    """What opening would take over it nobody sees."""
    rtt_ns = 15 * MILLISECOND
    with fake_server(VALUE) as server:
        trial = make_trial(glide(driver, rtt_ns=rtt_ns), lasts_ns=SHORT_NS)
        seen = drive_here(trial, server.endpoint)
        batches = drive_here(replace(trial, commands=("PIPELINE 2 PING",)), server.endpoint)
    assert NEARLY * rtt_ns <= shortest(seen, Phase.COMMAND)
    assert NEARLY * rtt_ns <= shortest(batches, Phase.COMMAND)


@pytest.mark.parametrize("protocol", [2, 3])
def test_it_is_who_we_are_told_to_be(driver: Driver, protocol: int) -> None:
    """User, password, database and name; and over a connection that is closed in the end."""
    with fake_server(VALUE) as server:
        endpoint = replace(
            server.endpoint, db=3, username="me", password=Secret("pass"), client_name="ours"
        )
        drive_here(make_trial(glide(driver, protocol=protocol), lasts_ns=SHORT_NS), endpoint)
        wait_until(lambda: 0 == server.connected)
    words = {word for heard in server.heard if is_setup(heard.words) for word in heard.words}
    assert {"AUTH", "me", "pass", "SELECT", "3", "SETNAME", "ours"} <= words
    assert (3 == protocol) == ("HELLO" in words)


def test_it_reaches_a_unix_socket(driver: Driver, tmp_path: Path) -> None:
    """By its path."""
    with fake_server(VALUE, path=str(tmp_path / "s")) as server:
        seen = drive_here(make_trial(glide(driver), lasts_ns=SHORT_NS), server.endpoint)
    assert ({}, 1) == (seen.failures, server.connections)
    assert 0 < seen.completed


def test_over_tls_it_believes_whom_it_is_told_to(
    authority: Authority, stranger: Authority, driver: Driver
) -> None:
    """One that nobody vouches for is not; but all it says is that it could not connect in time."""
    case = glide(driver, connect_timeout_ns=300 * MILLISECOND)
    trial = make_trial(case, lasts_ns=SHORT_NS)
    with fake_server(VALUE, tls=authority.context) as server:
        trusted = authority.trusted(server.endpoint)
        seen = drive_here(trial, trusted)
        assert {} == seen.failures
        assert 0 < seen.completed
        wary = stranger.trusted(server.endpoint)
        assert FailureKind.CONNECT_TIMEOUT == refused(trial, wary)
        careless = replace(wary, trust=TlsSettings(cert_reqs=CertReqs.NONE))
        assert 0 < drive_here(trial, careless).completed


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (HANG_UP, FailureKind.RESET),
        (Answer(reply=b"-ERR no\r\n"), FailureKind.REPLY_ERROR),
        (Answer(reply=b"-NOPERM no\r\n"), FailureKind.REPLY_ERROR),
        (Answer(reply=b"-NOAUTH Authentication required.\r\n"), FailureKind.AUTH),
        (Answer(after_ns=100 * MILLISECOND), FailureKind.TIMEOUT),
    ],
)
def test_failures_are_of_the_same_kinds(driver: Driver, answer: Answer, kind: FailureKind) -> None:
    """They are told apart by their names and words; what follows a cut may be a timeout."""
    case = glide(driver, concurrency=1, socket_timeout_ns=50 * MILLISECOND)
    with fake_server(then(answer)) as server:
        seen = drive_here(make_trial(case, lasts_ns=SHORT_NS), server.endpoint)
    after = {FailureKind.TIMEOUT} if answer is HANG_UP else set()
    assert {kind} == set(seen.failures) - after


def refused(trial: Trial, endpoint: Endpoint) -> FailureKind:
    """Fail to connect, and say why."""
    driver: Any = DRIVERS[trial.case.driver](trial, endpoint, process=0)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its kind is what is asked
        driver.prewarm()
    if trial.case.driver is Driver.ASYNCIO:
        driver._runner.close()  # noqa: SLF001 - its process ends with it
    return failure_kind(caught.value)


def test_failing_to_connect_is_known_before_the_load(driver: Driver) -> None:
    """It tries again and again until its time is up; a refused password it names."""
    with fake_server(VALUE) as server:
        nobody = server.endpoint
    case = glide(driver, connect_timeout_ns=100 * MILLISECOND)
    assert FailureKind.CONNECT_TIMEOUT == refused(make_trial(case), nobody)
    wrong = Answer(reply=b"-WRONGPASS no\r\n")
    with fake_server(lambda _words, _number: wrong) as server:
        assert FailureKind.AUTH == refused(make_trial(glide(driver)), server.endpoint)
