"""How to ask a server about itself while it is under load, over one connection of our own."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Protocol, Self, cast

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    InvalidResponse,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from valkeybench.errors import ServerError
from valkeybench.measurement.reading import (
    SETTINGS,
    ServerFacts,
    ServerReading,
    facts_from_info,
    parse_info,
    reading_from_info,
)
from valkeybench.server.distrust import TRY_TLS, tls_hang_up, tls_silence, tls_trouble
from valkeybench.server.watching import SAMPLER_NAME, Watching
from valkeybench.units import SECOND, format_duration

if TYPE_CHECKING:
    from valkeybench.server.endpoint import Endpoint


class ServerSampler(Watching):
    """Asks one server about itself, over one connection opened with the context and closed with it.

    Entering raises ServerError saying why the server cannot be used, with a remedy. Asking again
    opens a new connection, once, when the old one was cut; `own_connections` counts them all, for
    the server counts them too.
    """

    def __init__(self, endpoint: Endpoint, *, timeout_ns: int = 2 * SECOND) -> None:
        self._opened = 0
        self._endpoint = endpoint
        self._timeout_ns = timeout_ns
        self._connection = _make_connection(endpoint, timeout_ns)
        self._missing: list[str] = []
        self._life: str | None = None
        """Which start of which server we ask."""
        self._replaced: ServerError | None = None
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        """Connect, authenticate and say who we are."""
        with self._lock:
            try:
                self._connect()
            except (RedisError, UnicodeError) as error:
                raise self._explained(error) from None
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.disconnect()

    @property
    def own_connections(self) -> int:
        """Count the connections opened to ask."""
        return self._opened

    @property
    def samplers(self) -> tuple[ServerSampler]:
        """Give the one there is."""
        return (self,)

    @property
    def replaced(self) -> ServerError | None:
        """Give the error that another server answered than the first time; None if none did."""
        return self._replaced

    def facts(self) -> ServerFacts:
        """Ask for what does not change during a run; raises ServerError when the server is gone."""
        # HELLO is open to every user, and tells the version to those who may not use INFO.
        info = self._info() or self._hello()
        settings = {name: self._setting(name) for name in SETTINGS if name not in info}
        return facts_from_info(
            info, settings=settings, tls=self._endpoint.tls, missing=tuple(self._missing)
        )

    def read(self) -> ServerReading:
        """Ask for the numbers of this instant; raises ServerError when the server is gone.

        It is gone, too, when another answers in its place: one that was started anew. Where our
        user may not use INFO every number is None, and the server is not asked again.
        """
        with self._lock:  # until it is known whose answer it was
            reading = reading_from_info(self._info(), time.perf_counter_ns())
            self._see_that_it_is_the_same(reading.life)
        return reading

    def cluster(self, what: str) -> object:
        """Ask for CLUSTER SLOTS, CLUSTER INFO and the like.

        None when it is in no cluster or we may not ask. Raises ServerError when it is gone.
        """
        return self._ask_if_allowed("CLUSTER", what)

    def info(self, section: str) -> dict[str, str]:
        """Ask for one section of INFO; empty where we may not. Raises ServerError when gone."""
        return parse_info(str(self._ask_if_allowed("INFO", section) or ""))

    def client_list(self) -> str | None:
        """Ask for CLIENT LIST; None when we may not. Raises ServerError when the server is gone."""
        listed = self._ask_if_allowed("CLIENT", "LIST", known_as="CLIENT LIST")
        return None if listed is None else str(listed)

    def own_id(self) -> int | None:
        """Ask which client we are; None when we may not. Raises ServerError when it is gone."""
        number = self._ask_if_allowed("CLIENT", "ID", known_as="CLIENT ID")
        return number if isinstance(number, int) else None

    def kill_clients(self) -> int | None:
        """Close all other clients' connections, and count them; None when we may not.

        Raises ServerError when the server is gone.
        """
        words = ("KILL", "TYPE", "normal", "SKIPME", "yes")
        number = self._ask_if_allowed("CLIENT", *words, known_as="CLIENT KILL")
        return number if isinstance(number, int) else None

    def round_trip_ns(self) -> int | None:
        """Time one PING over our connection; None when we may not. Raises ServerError when gone."""
        begun_ns = time.perf_counter_ns()
        answer = self._ask_if_allowed("PING")
        return None if answer is None else time.perf_counter_ns() - begun_ns

    def expect_another(self) -> None:
        """Take the next server that answers for the one we ask: it is started anew on purpose.

        The one before must be gone.
        """
        with self._lock:
            self._life = None

    def _see_that_it_is_the_same(self, life: str | None) -> None:
        self._life = self._life or life
        if life in (None, self._life):
            return
        self._replaced = ServerError(
            f"{self._endpoint.address}: the server was restarted, or another took its place: "
            "what was in it, our keys among it, may be gone, and its counters began anew",
            remedy="see its log, and measure again when it stays; what was measured until then "
            "is kept",
        )
        raise self._replaced

    def _info(self) -> dict[str, str]:
        return parse_info(str(self._ask_if_allowed("INFO") or ""))

    def _hello(self) -> dict[str, str]:
        answer = self._ask_if_allowed("HELLO")
        flat = [str(item) for item in answer] if isinstance(answer, list) else []
        return dict(zip(flat[::2], flat[1::2], strict=False))

    def _setting(self, name: str) -> int | None:
        answer = self._ask_if_allowed("CONFIG", "GET", name)
        match answer:
            case [_, str(value)] if value.isdecimal():
                return int(value)
        return None

    def _ask_if_allowed(self, command: str, *arguments: str, known_as: str = "") -> object:
        """Ask, unless we were refused before; None when refused. Raises ServerError when gone.

        A command of which a user may be allowed parts is remembered by the part (`known_as`).
        """
        with self._lock:
            if (known_as or command) in self._missing:
                return None
            try:
                return self._ask(command, *arguments)
            except ResponseError:
                # Not permitted, or not known: managed services take CONFIG away altogether.
                self._missing.append(known_as or command)
                return None
            except RedisError as error:
                raise self._explained(error) from None

    def _ask(self, *words: str) -> object:
        """Ask; should the connection have been cut, ask once more on a new one."""
        try:
            return self._exchange(*words)
        except ResponseError:
            raise
        except (redis.ConnectionError, redis.TimeoutError):
            self._connection.disconnect()
            self._connect()
            return self._exchange(*words)

    def _connect(self) -> None:
        self._connection.connect()
        self._opened += 1
        if "CLIENT" in self._missing:
            return
        try:
            # Not left to redis-py, which takes a refusal of the name for a refusal of ourselves.
            self._exchange("CLIENT", "SETNAME", SAMPLER_NAME)
        except ResponseError:
            self._missing.append("CLIENT")

    def _exchange(self, *words: str) -> object:
        self._connection.send_command(*words)
        return self._connection.read_response()

    def _explained(self, error: Exception) -> ServerError:
        return _explain(error, self._endpoint, self._timeout_ns)


class _Connection(Protocol):
    """What we use of redis-py's connections, which come without types."""

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def send_command(self, *words: str) -> None: ...
    def read_response(self) -> object: ...


def _make_connection(endpoint: Endpoint, timeout_ns: int) -> _Connection:
    """Make a connection that says nothing it need not, tries nothing twice and reads plain text."""
    kind: type[redis.Connection | redis.UnixDomainSocketConnection] = redis.Connection
    if endpoint.path is not None:
        kind = redis.UnixDomainSocketConnection
    elif endpoint.tls:
        kind = redis.SSLConnection
    connection = kind(
        **endpoint.connection_kwargs() | {"client_name": None},
        # The older protocol needs no HELLO: servers and proxies without it can be asked too.
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        socket_timeout=timeout_ns / SECOND,
        socket_connect_timeout=timeout_ns / SECOND,
        decode_responses=True,
        encoding_errors="replace",
    )
    return cast("_Connection", connection)


def _explain(error: Exception, endpoint: Endpoint, timeout_ns: int) -> ServerError:
    """Say why the server cannot be used, and what to do about it."""
    reason, remedy = _refusal(error, endpoint) or _failure(error, endpoint, timeout_ns)
    # A server that does not know AUTH quotes the command it was sent, password and all.
    return ServerError(endpoint.masked(f"{endpoint.address}: {reason}"), remedy=remedy)


def _refusal(error: Exception, endpoint: Endpoint) -> tuple[str, str] | None:
    """Explain what a server answered; None when it did not answer."""
    said = None
    match error:
        case AuthenticationError() if endpoint.password is None:
            said = (
                "the server wants a password",
                "give it by --password-file, by VALKEYBENCH_PASSWORD or in the URL",
            )
        case AuthenticationError():
            said = (
                "the server refused the user name or password",
                "check both, and that the user is switched on",
            )
        case BusyLoadingError():
            said = "the server is still loading its data", "try again when it is ready"
        case NoPermissionError():
            said = f"the user may not connect as asked: {error}", "permit what it says"
        case InvalidResponse():
            said = "what answers there is no Valkey server", f"check the port; {TRY_TLS}"
        case ResponseError():
            said = f"the server says: {error}", "check the user and the database number"
        case _ if "max number of clients" in str(error):
            said = (
                "the server has as many clients as it takes",
                "close some of them, or raise its maxclients",
            )
    return said


def _failure(error: Exception, endpoint: Endpoint, timeout_ns: int) -> tuple[str, str]:
    """Explain why no answer came, by what the system said underneath."""
    cause = error if isinstance(error, UnicodeError) else error.__context__
    if endpoint.tls and (trouble := _tls_failure(cause, endpoint, timeout_ns)):
        return trouble
    reason, remedy = "the server closed the connection", TRY_TLS
    match cause:
        case socket.gaierror() | UnicodeError():
            reason = "there is no host of that name"
            remedy = "check its spelling, and that this machine can look it up"
        case ConnectionRefusedError():
            reason = "nobody listens there"
            remedy = "check host and port, or the socket's path, and that the server runs"
        case TimeoutError():
            reason = f"no answer within {format_duration(timeout_ns)}"
            remedy = "see whether it is busy, or a firewall is in between"
            remedy += "" if endpoint.tls else f"; {TRY_TLS}"
        case FileNotFoundError():
            reason, remedy = "there is no such socket", "check the path, and that the server runs"
        case OSError() if not isinstance(cause, ConnectionError):
            reason = f"it cannot be reached: {cause.strerror or cause}"
            remedy = "check host and port, or the socket's path"
    return reason, remedy


def _tls_failure(
    cause: BaseException | None, endpoint: Endpoint, timeout_ns: int
) -> tuple[str, str] | None:
    """Explain what only TLS can be the reason of; None when it is not."""
    match cause:
        case ssl.SSLError():
            return tls_trouble(cause, endpoint, timeout_ns)
        case TimeoutError() if "handshake" in str(cause):
            return tls_silence(endpoint, timeout_ns)
        case FileNotFoundError() | PermissionError() | IsADirectoryError():
            return (
                f"a certificate or key file cannot be read: {cause.strerror}",
                "check --cacert, --cert and --key",
            )
        case ConnectionRefusedError():
            return None
        case None | ConnectionError():
            return tls_hang_up(endpoint, timeout_ns)
    return None
