"""Our own server is disturbed as asked, at its instant, and is there again afterwards."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import ExitStack, closing
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any, cast

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.server.processes import client, on_linux, wait_until
from valkeybench.errors import ServerError
from valkeybench.measurement.recorder import Window
from valkeybench.scenario.disturbance import Deed, Disturbance
from valkeybench.scenario.secret import Secret
from valkeybench.server.disturber import Disturber
from valkeybench.server.embedded import embedded_serving
from valkeybench.server.guarded import Order, guarded
from valkeybench.server.sampler import ServerSampler
from valkeybench.server.serving import TlsOffer
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.server.endpoint import Endpoint
    from valkeybench.server.guarded import Control
    from valkeybench.server.serving import Serving
    from valkeybench.server.watching import Watching


class Recorded:
    """Stands in for the control of a server: notes what it is told, and when."""

    def __init__(self, *, comes_back: bool = True) -> None:
        self.told: list[tuple[str, int]] = []
        self._comes_back = comes_back

    def kill(self) -> None:
        """Note it."""
        self.told.append(("kill", clock()))

    def start(self) -> None:
        """Note it, and fail if it shall."""
        self.told.append(("start", clock()))
        if not self._comes_back:
            raise ServerError("it did not come back")

    def pause(self) -> None:
        """Note it."""
        self.told.append(("pause", clock()))

    def resume(self) -> None:
        """Note it."""
        self.told.append(("resume", clock()))

    @property
    def words(self) -> list[str]:
        """Give what it was told."""
        return [word for word, _ in self.told]


class Unwatched:
    """Stands in for who watches the server."""

    samplers = ()


def disturber(asked: Disturbance | None, control: object) -> Disturber:
    """Make a disturber of a stand-in."""
    return Disturber(asked, cast("Control", control), cast("Watching", Unwatched()))


def soon(lasts_ns: int = 10 * SECOND) -> Window:
    """Give a window that opens about now."""
    return Window(now := clock() + 5 * MILLISECOND, now + lasts_ns)


@pytest.mark.parametrize(
    ("deed", "words"),
    [(Deed.RESTART, ["kill", "start"]), (Deed.STALL, ["pause", "resume"])],
)
def test_it_is_done_at_its_instant_for_as_long_as_asked(deed: Deed, words: list[str]) -> None:
    """Neither earlier nor shorter, and what is noted is when it was."""
    control, window = Recorded(), soon()
    one = disturber(Disturbance(deed, 40 * MILLISECOND, 30 * MILLISECOND), control)
    with one.during(window):
        wait_until(lambda: one.done)
    assert one.done is not None
    assert words == control.words
    begun, ended = (at for _, at in control.told)
    assert window.opens + 30 * MILLISECOND <= one.done.began_ns <= begun
    assert one.done.began_ns + 40 * MILLISECOND <= ended <= one.done.ended_ns
    assert (deed, None) == (one.done.deed, one.done.killed)


def test_nothing_asked_is_nothing_done() -> None:
    """Not even a thread is started."""
    one = disturber(None, None)
    with one.during(soon()):
        pass
    assert None is one.done


def test_who_leaves_before_its_instant_is_not_kept_waiting() -> None:
    """Nothing is done then."""
    control = Recorded()
    one = disturber(Disturbance(Deed.RESTART, at_ns=1000 * SECOND), control)
    with one.during(soon()):
        pass
    assert ([], None) == (control.words, one.done)


def test_who_leaves_in_the_middle_leaves_a_server_that_runs() -> None:
    """It is started at once, though it was to be away for longer."""
    control = Recorded()
    one = disturber(Disturbance(Deed.RESTART, 1000 * SECOND), control)
    with one.during(Window(clock() - 1, clock())):
        wait_until(lambda: control.told)
    assert ["kill", "start"] == control.words


def test_a_server_that_does_not_come_back_ends_it() -> None:
    """Whoever waits for the load hears of it when that is over."""
    one = disturber(Disturbance(Deed.RESTART), Recorded(comes_back=False))
    with pytest.raises(ServerError, match="did not come back"), one.during(Window(0, 1)):
        pass


@pytest.fixture
def ours() -> Iterator[Serving]:
    """Give a server of our own that only this test disturbs."""
    with embedded_serving() as serving:
        yield serving


def test_a_restarted_server_is_the_same_one_without_its_keys(ours: Serving) -> None:
    """Port, password and directory are as before; the process and its counters are new."""
    endpoint, control = ours.endpoint(), ours.control
    assert control is not None
    with closing(client(endpoint)) as asking:
        asking.set("key", "value")
        first = asking.info("server")
    control.kill()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((endpoint.host, endpoint.port))
    control.start()
    with closing(client(endpoint)) as asking:
        second = asking.info("server")
        assert None is asking.get("key")
    assert first["process_id"] != second["process_id"]
    assert first["run_id"] != second["run_id"]
    nobody = redis.Redis(port=endpoint.port, retry=Retry(NoBackoff(), 0))
    with closing(nobody), pytest.raises(redis.AuthenticationError):
        nobody.ping()


@pytest.mark.tls
def test_it_speaks_tls_with_the_same_certificate_afterwards() -> None:
    """Who trusted it before trusts it again."""
    with embedded_serving(tls=TlsOffer()) as serving:
        assert serving.control is not None
        endpoint = serving.endpoint(tls=True)
        serving.control.kill()
        serving.control.start()
        with closing(client(endpoint)) as asking:
            assert asking.ping()


@on_linux
def test_it_stays_on_its_cpus(ours: Serving) -> None:
    """Where it was put it is put again."""
    endpoint, control = ours.endpoint(), ours.control
    assert endpoint.pid is not None
    assert control is not None
    cpus = {min(os.sched_getaffinity(endpoint.pid))}
    os.sched_setaffinity(endpoint.pid, cpus)
    control.kill()
    control.start()
    with closing(client(endpoint)) as asking:
        assert cpus == os.sched_getaffinity(asking.info("server")["process_id"])


def test_a_stalled_server_answers_when_it_goes_on(ours: Serving) -> None:
    """Nothing is lost: the connection is the same, and so are the keys."""
    endpoint, control = ours.endpoint(), ours.control
    assert control is not None
    settings: dict[str, Any] = endpoint.connection_kwargs()
    impatient = redis.Redis(**settings, socket_timeout=0.1, retry=Retry(NoBackoff(), 0))
    with closing(client(endpoint)) as asking, closing(impatient):
        asking.set("key", "value")
        number = asking.client_id()
        impatient.ping()
        control.pause()
        with pytest.raises(redis.TimeoutError):
            impatient.ping()
        control.resume()
        assert (number, b"value") == (asking.client_id(), asking.get("key"))


def test_all_clients_but_who_watches_are_closed_and_counted(ours: Serving) -> None:
    """As many as there were, by the server's own count; who watches goes on."""
    endpoint = ours.endpoint()
    asked = Disturbance(Deed.KILL_CLIENTS, at_ns=MILLISECOND)
    with ServerSampler(endpoint) as sampler:
        one = Disturber(asked, ours.control, sampler)
        clients = [client(endpoint) for _ in range(5)]
        for each in clients:
            each.ping()
        with one.during(soon()):
            wait_until(lambda: one.done)
        assert one.done is not None
        assert 5 == one.done.killed
        assert 1 == sampler.read().connected_clients
        assert 1 == sampler.own_connections
        for each in clients:
            each.close()


def test_who_watches_looks_through_a_gap(ours: Serving) -> None:
    """It sees the server of before and that of after, and does not call it lost."""
    control = ours.control
    assert control is not None
    with ServerSampler(ours.endpoint()) as sampler:
        with sampler.watch(10 * MILLISECOND, through_gaps=True) as watch:
            wait_until(lambda: watch.readings)
            control.kill()
            sampler.expect_another()
            control.start()
            wait_until(lambda: len({reading.life for reading in watch.readings}) == 2)
        assert not watch.lost


class Pensive(ServerSampler):
    """Hears an answer, and does not look at it until it is told to."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self.heard, self.go_on = threading.Event(), threading.Event()

    def _info(self) -> dict[str, str]:
        info = super()._info()
        self.heard.set()
        assert self.go_on.wait(60)
        return info


def test_a_late_look_at_the_old_server_s_answer_is_no_look_at_the_new_one(ours: Serving) -> None:
    """Else the server that was started anew on purpose would be taken for a stranger."""
    control = ours.control
    assert control is not None
    with Pensive(ours.endpoint()) as sampler:
        reading = threading.Thread(target=sampler.read)
        reading.start()
        assert sampler.heard.wait(60)
        control.kill()
        expecting = threading.Thread(target=sampler.expect_another)
        expecting.start()
        expecting.join(0.1)  # as long as it may take whom nobody holds up
        sampler.go_on.set()
        for each in (reading, expecting):
            each.join()
        control.start()
        assert sampler.read().life is not None
        assert sampler.replaced is None


def test_one_that_died_before_it_was_disturbed_is_quoted_whole(ours: Serving) -> None:
    """The word that says so is no line of its log, and its first line is not lost for it."""
    order = Order(
        what="program",
        command=("sh", "-c", "echo only words"),
        configuration="port 1",
        secret=Secret("another"),
        find=lambda *_: (ours.endpoint(),),
    )
    with ExitStack() as stack:
        control = stack.enter_context(guarded(lambda: order))
        wait_until(lambda: control._program.has_ended(0))  # noqa: SLF001 - nobody else has to know
        with pytest.raises(ServerError, match="died"):
            control.pause()
        with pytest.raises(ServerError, match="its last words:\n  only"):
            stack.close()
