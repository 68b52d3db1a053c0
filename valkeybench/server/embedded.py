"""How to get a Valkey of our own: what it is told, and by which ways it is reached."""

from __future__ import annotations

import json
import secrets
import socket
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from valkeybench.errors import ScenarioError
from valkeybench.scenario.model import TlsSettings
from valkeybench.scenario.secret import Secret
from valkeybench.server import certificates as made
from valkeybench.server.binary import find_server_binary, find_tls_binary
from valkeybench.server.certificates import make_certificates
from valkeybench.server.endpoint import Endpoint, Provider
from valkeybench.server.guarded import LOOPBACK, Order, guarded
from valkeybench.server.serving import Serving, TlsOffer, TlsProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

DEFAULT_USER = "default"
"""The user everybody is who names none."""

_RELAY = Path(__file__).with_name("relay.py")
"""A program; importing it would cost what only it needs."""


def pick_free_port() -> int:
    """Ask the system for a port nobody listens on; somebody may take it before we do."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def embedded_server(
    *,
    username: str | None = None,
    maxclients: int = 10_000,
    pick_port: Callable[[], int] = pick_free_port,
) -> Iterator[Endpoint]:
    """Run a private Valkey without TLS: `embedded_serving` for those who need but the one way."""
    with embedded_serving(username=username, maxclients=maxclients, pick_port=pick_port) as serving:
        yield serving.endpoint()


@contextmanager
def embedded_serving(
    *,
    tls: TlsOffer | None = None,
    username: str | None = None,
    maxclients: int = 10_000,
    binary: str | None = None,
    pick_port: Callable[[], int] = pick_free_port,
) -> Iterator[Serving]:
    """Run a private Valkey on loopback while the context lasts, plain and, on offer, over TLS.

    It has a random password and nothing on disk but a private directory, empty but for keys and
    certificates. With `username` only that user may come in, and may do everything. However we
    end, even killed, it ends too and leaves nothing behind. It raises its own limit of open
    files to what `maxclients` needs, as far as the hard limit allows; its INFO tells what it got.
    `binary` names the server to run. Where no server with TLS can be found, a relay in front of
    the server does the TLS.
    Raises ServerError when it does not start, or has died before the context ended well;
    ScenarioError when the offer or the user name cannot be.
    """
    check_wish(tls, username)
    native = find_tls_binary(binary) if tls else None
    wish = Wish(
        binary=native or find_server_binary(binary),
        username=username,
        password=Secret(secrets.token_hex(24)),
        maxclients=maxclients,
        tls=tls,
        files=make_certificates(tls.key_type).files(mutual=tls.mutual) if tls else {},
    )
    with ExitStack() as stack:
        if native or tls is None:
            control = stack.enter_context(guarded(lambda: server_order(wish, pick_port)))
            plain, *secured = control.endpoints
            provider = TlsProvider.NATIVE if secured else None
        else:
            bare = replace(wish, tls=None, files={})
            control = stack.enter_context(guarded(lambda: server_order(bare, pick_port)))
            (plain,) = control.endpoints
            relay = stack.enter_context(guarded(lambda: _relay_order(wish, plain, pick_port)))
            secured = [*relay.endpoints]
            provider = TlsProvider.RELAY
        yield Serving(
            plain=plain,
            tls=secured[0] if secured else None,
            tls_provider=provider,
            binary=wish.binary,
            control=control,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a server of ours shall be, apart from where it listens."""

    binary: Path
    username: str | None
    password: Secret
    maxclients: int
    tls: TlsOffer | None
    files: Mapping[str, bytes] = field(repr=False)


def check_wish(tls: TlsOffer | None, username: str | None) -> None:
    """Refuse what the server would refuse in words nobody understands."""
    if tls is not None and not tls.versions:
        raise ScenarioError.one(
            "--tls",
            f"no TLS version is at least {tls.min_version} and at most {tls.max_version}",
            "let the least be no newer than the most",
        )
    if username is not None and (not username or any(c.isspace() or c < " " for c in username)):
        raise ScenarioError.one(
            "server.username",
            "a user of our own server needs a name without blanks",
            "name it otherwise",
        )


def server_order(
    wish: Wish,
    pick_port: Callable[[], int],
    *,
    what: str = "embedded server",
    more: Sequence[str] = (),
) -> Order:
    """Order the server, on ports that are free just now; `more` is what else it is told."""
    port = pick_port()
    tls_port = pick_port() if wish.tls else 0
    lines = [*_server_lines(port, maxclients=wish.maxclients), *_login_lines(wish), *more]
    if wish.tls:
        lines += _tls_lines(wish.tls, tls_port)

    def find(pid: int, directory: str) -> tuple[Endpoint, ...]:
        plain = Endpoint(
            host=LOOPBACK,
            port=port,
            username=wish.username,
            password=wish.password,
            provider=Provider.EMBEDDED,
            pid=pid,
        )
        return (plain, _secured(plain, tls_port, wish, directory)) if wish.tls else (plain,)

    return Order(
        what=what,
        command=(wish.binary, "-"),
        configuration="\n".join(lines),
        files=wish.files,
        secret=wish.password,
        find=find,
    )


def _relay_order(wish: Wish, plain: Endpoint, pick_port: Callable[[], int]) -> Order:
    """Order the relay that does the TLS in front of a server that cannot."""
    assert wish.tls is not None  # noqa: S101 - for the type checker
    port = pick_port()
    offer = {
        "host": LOOPBACK,
        "port": port,
        "server_port": plain.port,
        "certificate": made.SERVER_CERTIFICATE_FILE,
        "key": made.SERVER_KEY_FILE,
        "client_ca": made.CA_FILE if wish.tls.mutual else None,
        "min_version": wish.tls.min_version,
        "max_version": wish.tls.max_version,
        "maxclients": wish.maxclients,
    }
    return Order(
        what="TLS relay",
        command=(sys.executable, "-I", "-S", _RELAY),
        configuration=json.dumps(offer),
        files=wish.files,
        secret=wish.password,
        find=lambda _, directory: (_secured(plain, port, wish, directory),),
    )


def _server_lines(port: int, *, maxclients: int) -> list[str]:
    """Write what every server of ours is told. Its directory is the one it is started in."""
    return [
        f"bind {LOOPBACK}",
        f"port {port}",
        f"maxclients {maxclients}",
        'save ""',
        "appendonly no",
        "daemonize no",
    ]


def _login_lines(wish: Wish) -> list[str]:
    """Let in who knows the password; and nobody under another name, if there is one."""
    password = wish.password.reveal()
    if wish.username in (None, DEFAULT_USER):
        return [f"requirepass {password}"]
    escaped = wish.username.replace("\\", "\\\\").replace('"', '\\"')
    return [f'user "{escaped}" on >{password} ~* &* +@all', f"user {DEFAULT_USER} off"]


def _tls_lines(offer: TlsOffer, port: int) -> list[str]:
    versions = " ".join(f"TLSv{version}" for version in offer.versions)
    return [
        f"tls-port {port}",
        f"tls-cert-file {made.SERVER_CERTIFICATE_FILE}",
        f"tls-key-file {made.SERVER_KEY_FILE}",
        f"tls-ca-cert-file {made.CA_FILE}",
        f"tls-auth-clients {'yes' if offer.mutual else 'no'}",
        f'tls-protocols "{versions}"',
    ]


def _secured(plain: Endpoint, port: int, wish: Wish, directory: str) -> Endpoint:
    """Give the way over TLS, with what a client needs to trust the server and be trusted."""
    place = Path(directory)
    ours = TlsSettings(ca_certs=str(place / made.CA_FILE))
    if wish.tls is not None and wish.tls.mutual:
        ours = replace(
            ours,
            certfile=str(place / made.CLIENT_CERTIFICATE_FILE),
            keyfile=str(place / made.CLIENT_KEY_FILE),
        )
    return replace(plain, port=port, tls=True, trust=ours)
