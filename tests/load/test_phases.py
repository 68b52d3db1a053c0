"""Phases last as long as what they are named after, shown by a server whose delays are known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.load.fakes import (
    HANG_UP,
    HELLO,
    OK,
    UNKNOWN,
    VALUE,
    Answer,
    FakeServer,
    Words,
    fake_server,
    is_setup,
    usual,
)
from tests.load.loads import NEARLY, assert_adds_up, drive_here, few_handlers, make_trial, total_ns
from valkeybench.measurement.metrics import OPENING, FailureKind, Phase
from valkeybench.scenario.model import Case, Distribution, Handshake, Pool, Think
from valkeybench.scenario.secret import Secret
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.server.endpoint import Endpoint

SETUP_NS = 10 * MILLISECOND
COMMAND_NS = 25 * MILLISECOND
LONGER_NS = 400 * MILLISECOND
SETUP_COMMANDS = [
    (Handshake.SHIPPED, 3, ("HELLO", "CLIENT", "CLIENT", "CLIENT"), 1),
    (Handshake.MINIMAL, 3, ("HELLO",), 0),
    (Handshake.SHIPPED, 2, ("CLIENT", "CLIENT"), 0),
    (Handshake.MINIMAL, 2, (), 0),
]
one_handler = few_handlers(concurrency=1, max_connections=1)


def delayed(words: Words, number: int) -> Answer:
    """Answer set-up commands after one delay, and all others after another."""
    after_ns = SETUP_NS if is_setup(words) else COMMAND_NS
    return replace(usual(words, number), after_ns=after_ns)


def shortest(seen: Measurement, phase: Phase) -> int:
    """Give the least a phase lasted."""
    least = seen.histograms[phase].minimum
    assert least is not None
    return least


@pytest.mark.parametrize(
    ("pool", "handshake", "protocol", "words", "refused"),
    [(Pool.NONE, *said) for said in SETUP_COMMANDS] + [(Pool.BLOCKING, *SETUP_COMMANDS[0])],
)
def test_set_up_is_handshake_and_waiting_for_a_reply_is_command(
    pool: Pool, handshake: Handshake, protocol: int, words: Words, refused: int
) -> None:
    """Each delay is in its own phase; set-up commands are counted as the server counts them."""
    case = replace(one_handler, pool=pool, handshake=handshake, protocol=protocol)
    with fake_server(delayed) as server:
        trial = make_trial(case, prewarm=False, lasts_ns=LONGER_NS)
        seen = drive_here(trial, server.endpoint)
        first = [heard.words[0] for heard in server.heard if 0 == heard.connection]

    assert words == tuple(first[: len(words)])
    assert server.connections == seen.opened.connections
    assert server.count(is_setup) == seen.opened.round_trips
    assert len(words) * server.connections == seen.opened.round_trips
    assert refused * server.connections == seen.opened.refused

    assert len(words) * SETUP_NS <= shortest(seen, Phase.HANDSHAKE)
    assert COMMAND_NS <= shortest(seen, Phase.COMMAND)
    assert len(words) * SETUP_NS + COMMAND_NS <= (seen.histograms[Phase.SERVICE].maximum or 0)
    # Nor is any delay in two phases.
    assert_adds_up(seen)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": Secret("word")}, ("HELLO", "3", "AUTH", "default", "word")),
        ({"username": "joe", "password": Secret("w")}, ("HELLO", "3", "AUTH", "joe", "w")),
        ({"client_name": "me"}, ("CLIENT", "SETNAME", "me")),
        ({"db": 3}, ("SELECT", "3")),
    ],
)
def test_what_an_endpoint_asks_for_is_said_in_the_handshake(
    changes: dict[str, object], words: Words
) -> None:
    """User, password, name and database reach the server, and cost a round trip at most."""
    trial = make_trial(replace(one_handler, handshake=Handshake.MINIMAL))
    with fake_server() as server:
        endpoint: Endpoint = replace(server.endpoint, **changes)  # type: ignore[arg-type]  # by name
        seen = drive_here(trial, endpoint)
    said = [heard.words for heard in server.heard if is_setup(heard.words)]
    assert words == said[-1]
    assert len(said) == seen.prewarmed.round_trips


def test_set_up_commands_are_counted_by_name_and_without_arguments() -> None:
    """What the server hears is what the measurement names, and no password is in it."""
    case = replace(one_handler, pool=Pool.NONE)
    with fake_server() as server:
        endpoint = replace(server.endpoint, password=Secret("word"), client_name="me", db=3)
        seen = drive_here(make_trial(case), endpoint)
    each = seen.opened.connections
    assert {
        "HELLO with AUTH": each,
        "CLIENT MAINT_NOTIFICATIONS": each,
        "CLIENT SETNAME": each,
        "CLIENT SETINFO": 2 * each,
        "SELECT": each,
    } == seen.setup
    assert {"CLIENT MAINT_NOTIFICATIONS": each} == seen.setup_refused
    assert server.count(is_setup) == sum(seen.setup.values()) == seen.opened.round_trips


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_an_emulated_distance_adds_a_round_trip_wherever_one_is_waited_for(pool: Pool) -> None:
    """To connecting, to each set-up command and to the command: on top of the server's own time."""
    rtt_ns = 15 * MILLISECOND
    case = replace(one_handler, pool=pool, rtt_ns=rtt_ns)
    with fake_server(delayed) as server:
        trial = make_trial(case, prewarm=False, lasts_ns=LONGER_NS)
        seen = drive_here(trial, server.endpoint)
    assert 0 < seen.completed
    assert NEARLY * rtt_ns <= shortest(seen, Phase.CONNECT)
    assert NEARLY * 4 * (rtt_ns + SETUP_NS) <= shortest(seen, Phase.HANDSHAKE)
    assert NEARLY * rtt_ns + COMMAND_NS <= shortest(seen, Phase.COMMAND)
    assert_adds_up(seen)


def test_prewarming_is_timed_and_counted_apart() -> None:
    """What the pool took to open is known phase by phase, and no command is charged with it."""
    case = few_handlers(pool=Pool.BLOCKING, concurrency=1)
    with fake_server(delayed) as server:
        seen = drive_here(make_trial(case), server.endpoint)

    assert (2, 2 * 4, 2) == (
        seen.prewarmed.connections,
        seen.prewarmed.round_trips,
        seen.prewarmed.refused,
    )
    assert 2 * 4 * SETUP_NS <= seen.prewarm[Phase.HANDSHAKE].total <= seen.prewarm_ns
    assert not set(OPENING) & set(seen.histograms)


def test_waiting_for_another_handler_is_pool_wait() -> None:
    """With two handlers over one connection, the one waits as long as the other's command lasts."""
    case = few_handlers(pool=Pool.FAIR, concurrency=2, max_connections=1)
    with fake_server(delayed) as server:
        seen = drive_here(make_trial(case, lasts_ns=LONGER_NS), server.endpoint)
    waits = seen.histograms[Phase.POOL_WAIT]
    assert waits.maximum is not None
    # Who just gave it back asks at once and waits for the whole of the other's command, but for
    # what the other had got done of it in between.
    assert COMMAND_NS / 2 < waits.maximum
    assert_adds_up(seen)


def test_thinking_is_no_phase() -> None:
    """What a handler pauses between commands is in none of them."""
    pause_ns = 50 * MILLISECOND
    case = replace(one_handler, think=Think(pause_ns, Distribution.CONSTANT))
    with fake_server() as server:
        seen = drive_here(make_trial(case, lasts_ns=LONGER_NS), server.endpoint)
    assert 0 < seen.completed <= LONGER_NS // pause_ns + 1
    assert pause_ns * seen.completed > total_ns(seen, Phase.SERVICE)
    assert_adds_up(seen)


# --- retries ---


class Cuts:
    """Hangs up on a number of commands, one after the other, once it has spared some."""

    def __init__(
        self,
        cuts: int,
        *,
        spared: int = 0,
        setup_ns: int = SETUP_NS,
        command_ns: int = COMMAND_NS,
    ) -> None:
        self._cut = range(spared + 1, spared + cuts + 1)
        self._setup_ns, self._command_ns = setup_ns, command_ns
        self._asked = 0

    def __call__(self, words: Words, number: int) -> Answer:
        """Answer after a while, unless it is a command to cut."""
        if is_setup(words):
            return replace(usual(words, number), after_ns=self._setup_ns)
        self._asked += 1
        return HANG_UP if self._asked in self._cut else Answer(after_ns=self._command_ns)


def drive_cut(server: FakeServer, case: Case) -> Measurement:
    """Put the load of one handler on a server that cuts connections."""
    trial = make_trial(case, prewarm=False, lasts_ns=(1 + case.retries) * LONGER_NS)
    seen = drive_here(trial, server.endpoint)
    assert server.connections == seen.opened.connections
    assert_adds_up(seen)
    return seen


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_without_retries_a_cut_command_fails_at_once(pool: Pool) -> None:
    """Nothing is tried again behind our back: one cut is one failure."""
    with fake_server(Cuts(2)) as server:
        seen = drive_cut(server, replace(one_handler, pool=pool, retries=0))
    assert {FailureKind.RESET: 2} == seen.failures
    assert 0 == seen.retries


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_a_retried_command_completes_and_the_retries_are_counted(pool: Pool) -> None:
    """Opening the connection again is in the phases of opening, not in the command itself."""
    with fake_server(Cuts(1)) as server:
        seen = drive_cut(server, replace(one_handler, pool=pool, retries=2))
    assert {} == seen.failures
    assert 1 == seen.retries
    assert 0 < seen.completed
    handshake = seen.histograms[Phase.HANDSHAKE]
    # The first command waited for two handshakes, one after the other.
    assert handshake.maximum is not None
    assert 2 * 4 * SETUP_NS <= handshake.maximum
    assert 4 * seen.opened.connections == seen.opened.round_trips


def test_a_retry_takes_nothing_from_the_wait_for_the_pool() -> None:
    """A handler that has waited, and then has to open the connection again, has done both."""
    # Not quite as long as a command, so that what it took away would be nearly all.
    opening_ns, command_ns = 160 * MILLISECOND, 200 * MILLISECOND
    case = few_handlers(pool=Pool.FAIR, concurrency=2, max_connections=1, retries=1)
    script = Cuts(1, spared=1, setup_ns=opening_ns // 4, command_ns=command_ns)
    with fake_server(script) as server:
        trial = make_trial(case, lasts_ns=5 * command_ns)
        seen = drive_here(trial, server.endpoint)
    assert 1 == seen.retries == seen.opened.connections
    # Two take turns over one connection: all but the very first wait for another's command.
    waits = seen.histograms[Phase.POOL_WAIT]
    assert 2 <= waits.count
    assert [1, waits.count - 1] == waits.bins([0, command_ns - opening_ns, SECOND])
    assert_adds_up(seen)


def test_a_command_that_fails_every_time_has_been_tried_as_often_as_asked() -> None:
    """Two retries are three attempts, and one failure."""
    with fake_server(Cuts(3)) as server:
        seen = drive_cut(server, replace(one_handler, retries=2))
    assert {FailureKind.RESET: 1} == seen.failures
    assert 2 == seen.retries
    assert 0 < seen.completed


def test_a_refused_set_up_command_is_no_failure() -> None:
    """A server that knows nothing but HELLO and GET is served all the same."""

    def old(words: Words, _: int) -> Answer:
        return {"HELLO": HELLO, "GET": VALUE}.get(words[0], UNKNOWN)

    with fake_server(old) as server:
        seen = drive_here(make_trial(one_handler), server.endpoint)
    assert {} == seen.failures
    assert (4, 3) == (seen.prewarmed.round_trips, seen.prewarmed.refused)
    assert 0 < seen.completed
    assert OK.reply == usual(("CLIENT", "SETINFO"), 0).reply
