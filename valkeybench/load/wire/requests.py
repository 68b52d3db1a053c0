"""What is said to a server, as bytes: commands, and the introduction of a new connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench import __version__
from valkeybench.plan.workload import Batch
from valkeybench.scenario.model import Handshake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.plan.workload import Request
    from valkeybench.scenario.model import Case
    from valkeybench.server.endpoint import Endpoint


def encode(words: tuple[str | bytes, ...]) -> bytes:
    """Write a command as RESP: an array of bulk strings."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        raw = word.encode() if isinstance(word, str) else word
        parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)


class Together(bytes):
    """Commands sent at once, and how many replies there will be to them.

    `commands` of them were asked for; a transaction has two more, whose last reply holds those
    of all others.
    """

    commands: int
    replies: int
    transaction: bool


def encode_request(request: Request) -> bytes:
    """Write a command, or a batch of them in one piece."""
    if not isinstance(request, Batch):
        return encode(request)
    commands = [encode(command) for command in request.commands]
    if request.transaction:
        commands = [encode(("MULTI",)), *commands, encode(("EXEC",))]
    together = Together(b"".join(commands))
    together.commands = len(request.commands)
    together.replies = len(commands)
    together.transaction = request.transaction
    return together


@dataclass(frozen=True, slots=True)
class SetupCommand:
    """One thing a new connection says; `optional` if the server may answer with an error."""

    name: str
    request: bytes
    optional: bool = False

    def __repr__(self) -> str:
        """Name it; the request may hold a password."""
        return f"SetupCommand({self.name!r})"


def setup_commands(case: Case, endpoint: Endpoint) -> tuple[SetupCommand, ...]:
    """Say what redis-py 8 says on a new connection, in its order, one round trip each.

    With a minimal handshake that is what the server needs and no more; without a password,
    a name or a database and speaking RESP2 it is nothing.
    """
    return tuple(_introduction(case, endpoint))


def _introduction(case: Case, endpoint: Endpoint) -> Iterator[SetupCommand]:
    user, password = endpoint.username, endpoint.password
    word = password.reveal() if password is not None else ""
    has_credentials = bool(user or word)
    shipped = case.handshake is Handshake.SHIPPED
    if case.protocol == 3:  # noqa: PLR2004 - RESP3
        who = ("AUTH", user or "default", word) if has_credentials else ()
        name = "HELLO with AUTH" if who else "HELLO"
        yield SetupCommand(name, encode(("HELLO", "3", *who)))
        if shipped and endpoint.path is None:
            how = ("ON", "moving-endpoint-type", "internal-ip")
            yield _optional("CLIENT", "MAINT_NOTIFICATIONS", *how)
    elif has_credentials:
        yield SetupCommand("AUTH", encode(("AUTH", user, word) if user else ("AUTH", word)))
    if endpoint.client_name:
        request = encode(("CLIENT", "SETNAME", endpoint.client_name))
        yield SetupCommand("CLIENT SETNAME", request)
    if shipped:
        yield _optional("CLIENT", "SETINFO", "LIB-NAME", "valkeybench")
        yield _optional("CLIENT", "SETINFO", "LIB-VER", __version__)
    if endpoint.db:
        yield SetupCommand("SELECT", encode(("SELECT", str(endpoint.db))))


def _optional(*words: str) -> SetupCommand:
    return SetupCommand(" ".join(words[:2]), encode(words), optional=True)
