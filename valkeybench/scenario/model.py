"""What the user asks for, as frozen records: the one language every later stage speaks."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING, Any

from valkeybench.scenario.disturbance import Deed, Disturbance
from valkeybench.scenario.secret import Secret
from valkeybench.scenario.values import Values
from valkeybench.units import MILLISECOND, SECOND, compact_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCAL = "local"
"""This machine, as a place for load processes."""


class Pool(StrEnum):
    """How handlers come by a connection."""

    NONE = "none"
    """A new client and connection for each command, closed after."""
    RAISING = "raising"
    """`redis.ConnectionPool`: raises when every connection is taken."""
    BLOCKING = "blocking"
    """`redis.BlockingConnectionPool`: waits for a connection, up to its timeout."""
    FAIR = "fair"
    """`redis.BlockingConnectionPool` with a first-come-first-served `queue_class`."""
    MULTIPLEXED = "multiplexed"
    """No pool: one connection, over which the commands of all handlers travel together."""

    @property
    def is_pooled(self) -> bool:
        """Whether there is a pool, which hands out connections and has a size."""
        return self not in (Pool.NONE, Pool.MULTIPLEXED)

    @property
    def waits(self) -> bool:
        """Whether an exhausted pool makes the handler wait instead of failing it."""
        return self in (Pool.BLOCKING, Pool.FAIR)


class Handshake(StrEnum):
    """What a new connection says before its first command."""

    SHIPPED = "shipped"
    """What redis-py does unless told otherwise."""
    MINIMAL = "minimal"
    """No driver information, no maintenance notifications."""


class Driver(StrEnum):
    """Who sends."""

    THREADS = "threads"
    """Threads over a client library's synchronous pools."""
    ASYNCIO = "asyncio"
    """Tasks on an event loop over redis.asyncio's pools."""
    WIRE = "wire"
    """One event loop on sockets of our own: no client library."""


class Client(StrEnum):
    """Which client library asks."""

    REDIS_PY = "redis-py"
    VALKEY_PY = "valkey-py"
    VALKEY_GLIDE = "valkey-glide"
    """It has no pool but one connection for all, and opens it out of our sight."""


class EventLoop(StrEnum):
    """Which event loop the tasks of the asyncio driver run on."""

    ASYNCIO = "asyncio"
    UVLOOP = "uvloop"


class Clients(StrEnum):
    """Which client objects the handlers of a pooled case use."""

    SHARED = "shared"
    """Each handler keeps one client over the common pool."""
    SUCCESSIVE = "successive"
    """Each command gets a new client over the common pool, as some web frameworks do."""


class Keys(StrEnum):
    """Where in a cluster the keys of a case lie."""

    SPREAD = "spread"
    """Wherever their names put them: over all nodes."""
    ONE_SLOT = "one_slot"
    """In one slot, so on one node: all names share a hash tag."""


class Distribution(StrEnum):
    """How a handler's think times scatter around their mean."""

    EXPONENTIAL = "exponential"
    CONSTANT = "constant"


class Arrivals(StrEnum):
    """When the commands of an open load are due, whatever became of the ones before."""

    POISSON = "poisson"
    """At random: as requests of many independent users come."""
    STEADY = "steady"
    """At even distances."""


class KeyType(StrEnum):
    """What kind of key a certificate has; it decides what a TLS handshake costs."""

    ECDSA = "ecdsa"
    """On the curve P-256."""
    RSA = "rsa"
    """Of 2048 bits."""


class TlsVersion(StrEnum):
    """The least version of TLS to speak."""

    V1_2 = "1.2"
    V1_3 = "1.3"


class CertReqs(StrEnum):
    """How much is asked of the server's certificate, in redis-py's words."""

    NONE = "none"
    """Nothing: whoever answers is believed."""
    OPTIONAL = "optional"
    """Of a client it asks as much as `required`, as a server always shows one."""
    REQUIRED = "required"
    """It must be signed by somebody we trust."""


@dataclass(frozen=True, slots=True)
class Think:
    """The pause a handler makes before each command. A mean of zero saturates."""

    mean_ns: int
    distribution: Distribution = Distribution.EXPONENTIAL

    def __str__(self) -> str:
        """Write it as a scenario would: `10ms`, `constant 10ms`, `0`."""
        mean = compact_duration(self.mean_ns)
        constant = self.mean_ns and self.distribution is Distribution.CONSTANT
        return f"constant {mean}" if constant else mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One point of the matrix: everything fixed.

    Values that mean nothing for a case are None (`max_connections` without a pool).
    """

    pool: Pool = Pool.BLOCKING
    max_connections: int | None = 10
    pool_timeout_ns: int | None = 20 * SECOND
    concurrency: int = 50
    processes: int = 1
    client: Client | None = Client.REDIS_PY
    driver: Driver = Driver.THREADS
    event_loop: EventLoop | None = None
    """None for a driver without one."""
    clients: Clients | None = Clients.SHARED
    think: Think | None = Think(10 * MILLISECOND)
    rate: float | None = None
    """Requests due per second in all processes together; None is a closed load."""
    arrivals: Arrivals | None = None
    value_size: int | Values = 64
    pipeline: int = 1
    """How many commands a request holds where the scenario writes one."""
    handshake: Handshake = Handshake.SHIPPED
    protocol: int = 3
    socket_timeout_ns: int | None = 5 * SECOND
    connect_timeout_ns: int | None = 5 * SECOND
    decode_responses: bool = False
    retries: int = 0
    tls: bool = False
    rtt_ns: int = 0
    """The round trip of an emulated network, on top of the real one; 0 emulates none."""
    keys: Keys = Keys.SPREAD
    disturb: Disturbance | None = None
    """What is done to the server within the window; None is nothing."""
    reconnect_within_ns: int | None = None
    """The pool opens lost connections again by itself, each after a random part of this; None is
    when a handler wants one."""

    @property
    def handlers(self) -> int:
        """How many handlers there are in all processes together."""
        return self.concurrency * self.processes

    @property
    def most_connections(self) -> int:
        """How many connections the case can hold open at once, all processes together."""
        per_process = 1 if self.pool is Pool.MULTIPLEXED else self.concurrency
        if self.max_connections is not None:
            per_process = self.max_connections
        return per_process * self.processes

    def meaningful(self) -> Case:
        """Blank out what has no meaning here, so that equal cases are equal."""
        tasks, bare = self.driver is Driver.ASYNCIO, self.driver is Driver.WIRE
        shared = self.client is Client.VALKEY_GLIDE and not bare
        pool = Pool.MULTIPLEXED if shared else self.pool
        pooled, arrivals_open = pool.is_pooled, self.rate is not None
        return Case(
            **{
                **{f.name: getattr(self, f.name) for f in fields(self)},
                "max_connections": self.max_connections if pooled else None,
                "pool_timeout_ns": self.pool_timeout_ns if pool.waits else None,
                "client": None if bare else self.client,
                "clients": self.clients if pooled and not bare else None,
                "event_loop": (self.event_loop or EventLoop.ASYNCIO) if tasks else None,
                # Its pool knows no other way to wait; it neither decodes nor tries again.
                "pool": Pool.FAIR if bare and pool.waits else pool,
                # Nor does valkey-glide, which introduces itself in one way only.
                "decode_responses": self.decode_responses and not bare and not shared,
                "retries": 0 if bare or shared else self.retries,
                "handshake": Handshake.SHIPPED if shared else self.handshake,
                "think": None if arrivals_open else self.think,
                "arrivals": self.arrivals if arrivals_open else None,
                "reconnect_within_ns": self.reconnect_within_ns if pooled and bare else None,
            }
        )


_MEANT: dict[str, Any] = {
    "arrivals": Arrivals.POISSON,
    "disturb": Disturbance(Deed.RESTART),
    "reconnect_within_ns": 0,
}
"""Something for what a case has nothing of unless it is asked for: is there a meaning to it?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """Every value a case fixes, as the list of values to try. One value is no axis."""

    pool: tuple[Pool, ...] = (Pool.NONE, Pool.BLOCKING)
    max_connections: tuple[int, ...] = (10,)
    pool_timeout_ns: tuple[int | None, ...] = (20 * SECOND,)
    concurrency: tuple[int, ...] = (50,)
    processes: tuple[int, ...] = (1,)
    client: tuple[Client, ...] = (Client.REDIS_PY,)
    driver: tuple[Driver, ...] = (Driver.THREADS,)
    event_loop: tuple[EventLoop, ...] = (EventLoop.ASYNCIO,)
    clients: tuple[Clients, ...] = (Clients.SHARED,)
    think: tuple[Think, ...] = (Think(10 * MILLISECOND),)
    rate: tuple[float | None, ...] = (None,)
    arrivals: tuple[Arrivals, ...] = (Arrivals.POISSON,)
    value_size: tuple[int | Values, ...] = (64,)
    pipeline: tuple[int, ...] = (1,)
    handshake: tuple[Handshake, ...] = (Handshake.SHIPPED,)
    protocol: tuple[int, ...] = (3,)
    socket_timeout_ns: tuple[int | None, ...] = (5 * SECOND,)
    connect_timeout_ns: tuple[int | None, ...] = (5 * SECOND,)
    decode_responses: tuple[bool, ...] = (False,)
    retries: tuple[int, ...] = (0,)
    tls: tuple[bool, ...] = (False,)
    rtt_ns: tuple[int, ...] = (0,)
    keys: tuple[Keys, ...] = (Keys.SPREAD,)
    disturb: tuple[Disturbance | None, ...] = (None,)
    reconnect_within_ns: tuple[int | None, ...] = (None,)

    def cases(self) -> Iterator[Case]:
        """Walk the whole matrix; cases that differ only in what means nothing appear once."""
        seen: set[Case] = set()
        for decided in self._deciding():
            # What means nothing for these is not even multiplied.
            meaning = Case(**decided, **_MEANT).meaningful()
            names = [f.name for f in fields(self) if getattr(meaning, f.name) is not None]
            fixed: dict[str, tuple[Any, ...]] = {name: (v,) for name, v in decided.items()}
            lists = [fixed.get(name) or getattr(self, name) for name in names]
            for values in product(*lists):
                case = Case(**dict(zip(names, values, strict=True))).meaningful()
                if case not in seen:
                    seen.add(case)
                    yield case

    def _deciding(self) -> Iterator[dict[str, Any]]:
        """Walk the values that decide which others mean anything.

        A pool policy is for the clients that have pools; the one that has none comes last.
        """
        policies = [pool for pool in self.pool if pool is not Pool.MULTIPLEXED]
        deciding = product((*policies, Pool.MULTIPLEXED), self.rate, self.driver, self.client)
        for pool, rate, driver, client in deciding:
            shared = client is Client.VALKEY_GLIDE and driver is not Driver.WIRE
            if shared is (pool is Pool.MULTIPLEXED):
                yield {"pool": pool, "rate": rate, "driver": driver, "client": client}

    def varied(self) -> tuple[str, ...]:
        """Name the axes that have more than one value."""
        return tuple(axis.name for axis in fields(self) if len(getattr(self, axis.name)) > 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """How a TLS server is to be trusted, and who we say we are: redis-py's `ssl_*` levers."""

    ca_certs: str | None = None
    ca_data: str | None = None
    """Certificates themselves, in PEM."""
    ca_path: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    key_password: Secret | None = None
    cert_reqs: CertReqs = CertReqs.REQUIRED
    check_hostname: bool = True
    include_verify_flags: tuple[str, ...] = ()
    """Names of `ssl.VerifyFlags` to set."""
    exclude_verify_flags: tuple[str, ...] = ()
    """Names of `ssl.VerifyFlags` to clear; Python sets some by itself."""
    min_version: str | None = None
    ciphers: str | None = None

    @property
    def verify(self) -> bool:
        """Whether the server's certificate is verified at all."""
        return self.cert_reqs is not CertReqs.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Which server answers, and as whom we ask. No URL means one of our own."""

    url: str | None = field(default=None, repr=False)  # it may name a user and a password
    db: int = 0
    username: str | None = None
    password: Secret | None = None
    client_name: str | None = None
    tls: TlsSettings = field(default_factory=TlsSettings)
    cluster: bool = False
    """Whether it is a cluster; one of our own has three primaries."""
    key_type: KeyType = KeyType.ECDSA
    """The certificates of a server of ours have keys of this kind."""
    tls_version: TlsVersion | None = None
    """The only version a server of ours speaks; None is 1.2 and 1.3."""
    mutual_tls: bool = False
    """Whether a server of ours asks its clients for a certificate."""
    binary: str | None = None
    """The program a server of ours is; None is the one that is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything that is asked for: server, load, and the axes to vary."""

    name: str = "ad-hoc"
    title: str = ""
    description: str = ""
    seed: int = 1
    repeats: int = 3
    duration_ns: int = 3 * SECOND
    warmup_ns: int = 500 * MILLISECOND
    prewarm: bool = True
    commands: tuple[str, ...] = ("GET key:{0..9999}",)
    data_set: bool = True
    tally_replies: bool = False
    pin: str = "none"
    place: str = LOCAL
    """Where load processes run: on this machine, or the address of a Dask scheduler."""
    fail_if: tuple[str, ...] = ()
    """Limits, as written, of which none may be true of the run."""
    server: ServerSettings = field(default_factory=ServerSettings)
    axes: Axes = field(default_factory=Axes)

    def cases(self) -> tuple[Case, ...]:
        """Expand the axes into cases."""
        return tuple(self.axes.cases())


def plain(value: Any) -> Any:  # noqa: ANN401 - it takes any record there is
    """Turn a record into what JSON can hold. Secrets become None; URLs must be clean already."""
    match value:
        case Secret():
            return None
        case Think() | Values() | Disturbance():
            return str(value)
        case StrEnum():
            return value.value
        case tuple():
            return [plain(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
    return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
