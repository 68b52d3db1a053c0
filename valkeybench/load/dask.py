"""Load processes on the machines of a Dask cluster: who runs which, and what their clocks say.

Nothing is measured inside a Dask worker. Each one used runs a crew: the same load processes
as on this machine, started by the worker, whose messages it carries without reading them.
Functions are run on named workers outside of Dask's task scheduling, which would start a task
anew elsewhere when its worker dies: a load process that nobody asked for.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

from distributed import Client, WorkerPlugin
from distributed.security import Security

from valkeybench.errors import LoadError
from valkeybench.load.crew import Crew
from valkeybench.load.dealing import clock_difference, spread
from valkeybench.load.places import StandingLoad, usable_cpus
from valkeybench.load.reach import check_reach, is_in_clear
from valkeybench.load.talk import Order, pack
from valkeybench.measurement.placing import Worker
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from valkeybench.load.crew import Heard
    from valkeybench.load.talk import Frame
    from valkeybench.plan.trial import Trial
    from valkeybench.scenario.model import ServerSettings
    from valkeybench.server.endpoint import Endpoint

_CONNECT_SECONDS = 10
_POLL_NS = 2 * SECOND
"""How long a worker holds back an answer while it has nothing new to tell."""

_LEASE_SECONDS = 15.0
"""A worker that has not been asked for so long ends its load processes: nobody is there."""

_EXCHANGES = 8
"""Clock readings per worker and trial; the one with the shortest way there and back counts."""

_AT_ONCE = 16
"""Workers told to start processes at the same time."""

_SCHEDULER_GONE = "the Dask scheduler went away, and with it the load"

_MUST_AGREE = ("valkeybench", "redis", "hiredis", "numpy")


class DaskPlace:
    """Spreads the processes of each trial evenly over the workers there are at its start."""

    def __init__(
        self,
        client: Client,
        address: str,
        server: ServerSettings,
        *,
        lease_seconds: float = _LEASE_SECONDS,
    ) -> None:
        self._client = client
        self._address = address
        self._server = server
        self._lease_seconds = lease_seconds
        self._fit: set[str] = set()
        self._hosts: set[str] = set()

    @property
    def is_in_clear(self) -> bool:
        """Whether passwords on their way to the processes can be read by others."""
        return is_in_clear(self._address, self._hosts)

    @contextmanager
    def standing_by(self, trial: Trial, endpoint: Endpoint) -> Iterator[StandingLoad]:
        """Start a trial's processes and let them prewarm; leaving ends whatever still runs.

        Raises LoadError when there are no workers, none that fit, or one is lost; ServerError
        when the server does not let a process prewarm.
        """
        team = _Team(self._client, spread(self.workers(), trial.case.processes))
        try:
            team.start(trial, endpoint, self._lease_seconds)
            yield StandingLoad(trial, team)
        finally:
            team.leave()

    def workers(self) -> list[Worker]:
        """Give the workers there are now.

        Raises LoadError when there are none, or some whose software is not ours, and
        ScenarioError when they cannot reach the server.
        """
        with _clearly(_SCHEDULER_GONE):
            known = self._client.scheduler_info(n_workers=-1)["workers"]
        if not known:
            raise LoadError(
                "the Dask scheduler has no workers",
                remedy="start some: dask worker ADDRESS-OF-THE-SCHEDULER",
            )
        workers = [
            Worker(name=str(said["name"]), address=address, host=str(said["host"]))
            for address, said in sorted(known.items())
        ]
        self._hosts.update(str(said["host"]) for said in known.values())
        check_reach(self._server, self._hosts)
        if not self._fit.issuperset(known):
            with _clearly("the Dask workers could not be asked for their versions"):
                versions: Any = self._client.get_versions(packages=list(_MUST_AGREE))
            check_versions(workers, versions["client"], versions["workers"])
            self._fit.update(known)
        return workers


@contextmanager
def dask_place(
    address: str, server: ServerSettings, *, patience_seconds: float = _CONNECT_SECONDS
) -> Iterator[DaskPlace]:
    """Connect to a Dask scheduler, with TLS as the Dask configuration has it for tls://.

    Raises LoadError when it cannot be reached or its workers do not fit, and ScenarioError
    when they cannot reach the server.
    """
    with _silenced("distributed.client"):
        with _clearly(f"the Dask scheduler at {address} cannot be reached"):
            _check_certificates(address)
            client = Client(address, timeout=patience_seconds, set_as_default=False)
        try:
            place = DaskPlace(client, address, server)
            place.workers()
            yield place
        finally:
            client.close(patience_seconds)


def _check_certificates(address: str) -> None:
    """Raise ValueError where there are none to reach it with.

    A client that finds out itself is left half made, and says so on standard error for seconds.
    """
    ours = Security().get_connection_args("client")
    if address.startswith("tls:") and ours["ssl_context"] is None:
        raise ValueError("it is reached over TLS, and no certificates are configured")


def check_versions(
    workers: Iterable[Worker], ours: Mapping[str, Any], theirs: Mapping[str, Mapping[str, Any]]
) -> None:
    """Raise LoadError naming every worker whose Python or packages are not ours."""
    expected = _versions(ours)
    wrong = []
    for worker in workers:
        found = _versions(theirs.get(worker.address or "", {}))
        apart = [
            f"{name} {found.get(name) or 'missing'} (here {version})"
            for name, version in expected.items()
            if found.get(name) != version
        ]
        if apart:
            wrong.append(f"worker {worker.name} ({worker.host}) has {', '.join(apart)}")
    if wrong:
        raise LoadError(
            "\n".join(wrong),
            remedy="install the same versions on every worker: what differs would be measured too",
        )


def _versions(said: Mapping[str, Any]) -> dict[str, str | None]:
    packages = said.get("packages", {})
    python = str(said.get("host", {}).get("python", ""))
    return {
        "Python": ".".join(python.split(".")[:2]),
        **{name: packages.get(name) for name in _MUST_AGREE},
    }


class _Team:
    """A trial's processes on the workers of a cluster, as the coordinator sees them."""

    def __init__(self, client: Client, workers: tuple[Worker, ...]) -> None:
        self._client = client
        self.workers = workers
        self._addresses = [str(worker.address) for worker in workers]
        self._lost: str | None = None
        self._session = f"valkeybench-{secrets.token_hex(4)}"

    def start(self, trial: Trial, endpoint: Endpoint, lease_seconds: float) -> None:
        """Have every worker start its processes."""

        def begin(worker: Worker) -> Worker:
            orders = {n: pack(Order(trial, endpoint, n)) for n in worker.processes}
            (facts,) = self._run(_begin, orders, lease_seconds, workers=[str(worker.address)])
            return replace(worker, host=facts.host, cpus=facts.cpus)

        with ThreadPoolExecutor(min(_AT_ONCE, len(self.workers))) as threads:
            self.workers = tuple(threads.map(begin, self.workers))

    def compare_clocks(self) -> tuple[Worker, ...]:
        """Give the workers and how their clocks differ from ours now."""
        self._check_there()
        self.workers = tuple(self._with_clock(worker) for worker in self.workers)
        return self.workers

    def tell(self, frames: Mapping[str, Frame]) -> None:
        """Say something to all processes of each worker, by its name."""
        by_address = {str(worker.address): frames[worker.name] for worker in self.workers}
        self._run(_tell, by_address, workers=self._addresses)

    def hear(self, *, said: int) -> Iterable[Heard]:
        """Ask every worker; each answers once its processes have said so much, or after a while."""
        self._check_there()
        answers = self._run(_hear, said, workers=self._addresses)
        return [heard for answer in answers for heard in answer]

    def finish(self) -> None:
        """Let processes that have told all they saw end by themselves."""
        self._run(_finish, workers=self._addresses)

    def leave(self) -> None:
        """End whatever still runs; a worker that cannot be told ends it by itself."""
        there = [address for address in self._addresses if address != self._lost]
        if self._client.scheduler_comm is None or self._client.scheduler_comm.comm.closed():
            return  # and Dask would try for long to find its scheduler again
        with _quietly():
            self._client.run(_leave, self._session, workers=there, on_error="ignore")

    def _check_there(self) -> None:
        """Find a worker the scheduler has lost: Dask itself would try for long to reach it."""
        with _clearly(_SCHEDULER_GONE):
            there = self._client.nthreads()
        for worker in self.workers:
            if worker.address not in there:
                raise self._failed(worker, ConnectionError("the scheduler knows it no more"))

    def _with_clock(self, worker: Worker) -> Worker:
        readings = []
        for _ in range(_EXCHANGES):
            asked = clock()
            (there,) = self._run(_tell_time, workers=[str(worker.address)])
            readings.append((asked, there, clock()))
        ahead, error = clock_difference(readings)
        return replace(worker, clock_ahead_ns=ahead, clock_error_ns=error)

    def _run(self, function: Callable[..., Any], *args: object, workers: list[str]) -> list[Any]:
        """Run a function on workers and give their answers; raises LoadError naming a lost one."""
        with _clearly(_SCHEDULER_GONE):
            answers = self._client.run(
                function, self._session, *args, workers=workers, on_error="return"
            )
        for worker in self.workers:
            answer = answers.get(worker.address)
            if isinstance(answer, BaseException):
                raise self._failed(worker, answer)
        return [answers[address] for address in workers]

    def _failed(self, worker: Worker, error: BaseException) -> LoadError:
        who = f"Dask worker {worker.name} ({worker.address})"
        why = f"{type(error).__name__}: {error}"
        if isinstance(error, OSError):
            self._lost = worker.address
            listed = ", ".join(map(str, worker.processes))
            plural = "es" if len(worker.processes) > 1 else ""
            return LoadError(
                f"{who} was lost, and with it load process{plural} {listed}: {why}",
                remedy="see its log; was it killed, or out of memory?",
            )
        return LoadError(f"{who} failed: {why}", remedy="see its log, and please report this")


# --- what runs inside a Dask worker ---


@dataclass(frozen=True, slots=True)
class Facts:
    """What a worker says of its machine."""

    host: str
    cpus: int | None


class _Host(WorkerPlugin):
    """Keeps a crew inside a Dask worker, as long as somebody asks after it."""

    def __init__(self, session: str, lease_seconds: float) -> None:
        self.crew = Crew()
        self._session = session
        self._lease_seconds = lease_seconds
        self._asked = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None

    def setup(self, worker: Any) -> None:
        """Begin to watch whether anybody asks."""
        self._watch = asyncio.create_task(self._end_unasked(worker))

    async def teardown(self, worker: Any) -> None:  # noqa: ARG002 - Dask's signature
        """End the processes: the trial is over, or the worker."""
        if self._watch is not None and self._watch is not asyncio.current_task():
            self._watch.cancel()
        await asyncio.to_thread(self.crew.close)

    def renew(self) -> None:
        """Note that somebody has asked."""
        self._asked.set()

    async def _end_unasked(self, worker: Any) -> None:
        while True:
            self._asked.clear()
            try:
                await asyncio.wait_for(self._asked.wait(), self._lease_seconds)
            except TimeoutError:
                await worker.plugin_remove(name=self._session)
                return


async def _begin(
    session: str, orders: dict[int, Frame], lease_seconds: float, dask_worker: Any
) -> Facts:
    host = _Host(session, lease_seconds)
    await dask_worker.plugin_add(host, name=session, catch_errors=False)
    await asyncio.to_thread(host.crew.start, orders)
    return Facts(platform.node(), usable_cpus())


async def _tell(session: str, frames: dict[str, Frame], dask_worker: Any) -> None:
    await asyncio.to_thread(_crew(session, dask_worker).tell, frames[dask_worker.address])


async def _hear(session: str, said: int, dask_worker: Any) -> list[Heard]:
    crew = _crew(session, dask_worker)
    return await asyncio.to_thread(crew.hear, said=said, patience_ns=_POLL_NS)


async def _finish(session: str, dask_worker: Any) -> None:
    await asyncio.to_thread(_crew(session, dask_worker).finish)


async def _leave(session: str, dask_worker: Any) -> None:
    if session in dask_worker.plugins:
        await dask_worker.plugin_remove(name=session)


async def _tell_time(_: str) -> int:
    return clock()


def _crew(session: str, dask_worker: Any) -> Crew:
    """Find the crew of a session, and note that somebody asked for it."""
    host: _Host | None = dask_worker.plugins.get(session)
    if host is None:
        raise TimeoutError("nobody asked for too long, so it ended its load processes")
    host.renew()
    return host.crew


@contextmanager
def _clearly(what: str) -> Iterator[None]:
    """Turn what Dask raises when it cannot talk into a LoadError."""
    try:
        yield
    except (OSError, TypeError, ValueError, RuntimeError) as error:
        raise LoadError(
            f"{what}: {error}",
            remedy="is it running, and is its address right? For tls:// the Dask configuration "
            "must name certificates (distributed.comm.tls)",
        ) from None


@contextmanager
def _quietly() -> Iterator[None]:
    """Pass over whatever Dask raises when it cannot talk."""
    try:
        yield
    except (OSError, ValueError, RuntimeError):
        return


@contextmanager
def _silenced(name: str) -> Iterator[None]:
    """Keep tracebacks off the terminal while we say in a sentence what went wrong."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
