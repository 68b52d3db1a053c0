"""Every lever there is, once: its place in a TOML file, its flag, its kind, its words.

The reader, the command line, the published schema and the reference page are all made
from this table, so they cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from valkeybench.scenario import kinds
from valkeybench.scenario.model import (
    Arrivals,
    Clients,
    Driver,
    Handshake,
    KeyType,
    Pool,
    TlsVersion,
)

MOST_HANDLERS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One lever.

    `section` and `key` place it in a TOML file; `target` is the dotted path of the
    attribute of `Scenario` it sets; `flags` are its names on the command line (none: only
    in a file). An axis takes one value or a list. `many` takes a list that is one value.
    """

    section: str
    key: str
    target: str
    kind: kinds.Kind
    help: str
    flags: tuple[str, ...] = ()
    axis: bool = False
    many: bool = False
    panel: str = ""
    default: str = ""

    @property
    def path(self) -> str:
        """Give its place in a TOML file, as a message names it."""
        return f"{self.section}.{self.key}" if self.section else self.key

    @property
    def parameter(self) -> str:
        """Give the name of its parameter on the command line."""
        return self.flags[0].lstrip("-").replace("-", "_")


LOAD_PANEL, POOL_PANEL, SERVER_PANEL = "Load", "Pool and client", "Server"
"""The headings flags are listed under."""


def _axis(
    key: str,
    kind: kinds.Kind,
    help_: str,
    *flags: str,
    **more: Any,  # noqa: ANN401 - any of a Field's
) -> Field:
    target = "axes." + more.pop("attribute", key)
    return Field(key=key, target=target, kind=kind, help=help_, flags=flags, axis=True, **more)


_TOP_FIELDS = (
    Field(
        section="", key="title", target="title", kind=kinds.text(),
        help="One line: what it asks.",
    ),
    Field(
        section="", key="description", target="description", kind=kinds.text(),
        help="What it shows and how to read it.",
    ),
    Field(
        section="", key="seed", target="seed", kind=kinds.count("seed", least=0, most=2**63 - 1),
        help="Repeats the same draws and order.", flags=("--seed",), panel=LOAD_PANEL, default="1",
    ),
)  # fmt: skip

_LOAD_FIELDS = (
    _axis(
        "concurrency", kinds.count("number of handlers", most=MOST_HANDLERS),
        "Handlers (threads) per process, each issuing one command at a time.",
        "--concurrency", "-c", section="load", panel=LOAD_PANEL, default="50",
    ),
    _axis(
        "processes", kinds.count("number of processes", most=256),
        "Application processes, each with its own pool.",
        "--processes", section="load", panel=LOAD_PANEL, default="1",
    ),
    _axis(
        "think", kinds.think(),
        "Mean pause of a handler before each command, exponential; 'constant 5ms'; 0 saturates.",
        "--think", section="load", panel=LOAD_PANEL, default="10ms",
    ),
    _axis(
        "rate", kinds.rate(),
        "Open load: commands due per second in all processes together, as 5000/s. No think time.",
        "--rate", section="load", panel=LOAD_PANEL,
    ),
    _axis(
        "arrivals", kinds.choice(Arrivals, "kind of arrivals"),
        "When commands are due at a rate: poisson, at random, or steady, at even distances.",
        "--arrivals", section="load", panel=LOAD_PANEL, default="poisson",
    ),
    Field(
        section="load", key="commands", target="commands", kind=kinds.command(),
        help="What to send; {0..9999} draws a number, {value} a value, '@3' at the end weighs it.",
        flags=("--command",), many=True, panel=LOAD_PANEL, default="GET key:{0..9999}",
    ),
    _axis(
        "value_size", kinds.size(), "Size of the values written and read.",
        "--value-size", section="load", panel=LOAD_PANEL, default="64",
    ),
    Field(
        section="load", key="duration", target="duration_ns", kind=kinds.duration(),
        help="Length of each trial's window.", flags=("--duration",), panel=LOAD_PANEL,
        default="3s",
    ),
    Field(
        section="load", key="warmup", target="warmup_ns", kind=kinds.duration(zero=True),
        help="Load before the window, not counted.", flags=("--warmup",), panel=LOAD_PANEL,
        default="500ms",
    ),
    Field(
        section="load", key="repeats", target="repeats",
        kind=kinds.count("number of repeats", most=1000),
        help="Trials of each case, interleaved.", flags=("--repeats",), panel=LOAD_PANEL,
        default="3",
    ),
    Field(
        section="load", key="prewarm", target="prewarm", kind=kinds.boolean(),
        help="Open the whole pool before the load.", flags=("--prewarm",), panel=LOAD_PANEL,
        default="true",
    ),
    Field(
        section="load", key="tally_replies", target="tally_replies", kind=kinds.boolean(),
        help="Count distinct replies (for commands like CLIENT ID).",
    ),
    Field(
        section="load", key="pin", target="pin", kind=kinds.pinning(),
        help="CPUs: none, auto, or client=0,server=1 (the server only if it is ours).",
        flags=("--pin",), panel=LOAD_PANEL, default="none",
    ),
)  # fmt: skip

_NETWORK_FIELDS = (
    _axis(
        "rtt", kinds.duration(zero=True),
        "Round trip of an emulated network, added wherever a real one would be waited for.",
        "--rtt", section="load", panel=LOAD_PANEL, default="0", attribute="rtt_ns",
    ),
    _axis(
        "tls", kinds.tls(), "Connect over TLS: on, off, or both.",
        "--tls", section="server", panel=SERVER_PANEL, default="off",
    ),
    Field(
        section="server", key="tls_key", target="server.key_type",
        kind=kinds.choice(KeyType, "key type"), flags=("--tls-key",), panel=SERVER_PANEL,
        help="Key of our own server's certificate: ecdsa or rsa.", default="ecdsa",
    ),
    Field(
        section="server", key="tls_version", target="server.tls_version",
        kind=kinds.choice(TlsVersion, "TLS version"), flags=("--tls-version",),
        panel=SERVER_PANEL, help="The only TLS version our own server speaks: 1.2 or 1.3.",
    ),
    Field(
        section="server", key="mutual_tls", target="server.mutual_tls", kind=kinds.boolean(),
        flags=("--mutual-tls",), panel=SERVER_PANEL,
        help="Our own server asks clients for a certificate.", default="false",
    ),
)  # fmt: skip

_CLIENT_FIELDS = (
    _axis(
        "pool", kinds.choice(Pool, "pool policy"),
        "none: a connection per command; raising: ConnectionPool; blocking: "
        "BlockingConnectionPool; fair: the same, first come first served.",
        "--pool", section="client", panel=POOL_PANEL, default="none,blocking",
    ),
    _axis(
        "max_connections", kinds.count("pool size", most=65_000),
        "Pool size of each process.",
        "--max-conn", "-m", section="client", panel=POOL_PANEL, default="10",
    ),
    _axis(
        "pool_timeout", kinds.duration(zero=True, never=True),
        "How long a blocking or fair pool waits for a connection.",
        "--pool-timeout", section="client", panel=POOL_PANEL, default="20s",
        attribute="pool_timeout_ns",
    ),
    _axis(
        "driver", kinds.choice(Driver, "driver"), "Who sends.",
        "--driver", section="client", panel=POOL_PANEL, default="threads",
    ),
    _axis(
        "clients", kinds.choice(Clients, "client policy"),
        "shared: a handler keeps its client; successive: a new client object per command.",
        "--clients", section="client", panel=POOL_PANEL, default="shared",
    ),
    _axis(
        "handshake", kinds.choice(Handshake, "handshake"),
        "shipped: what redis-py does by default; minimal: no driver info, no notifications.",
        "--handshake", section="client", panel=POOL_PANEL, default="shipped",
    ),
    _axis(
        "protocol", kinds.count("RESP version", least=2, most=3), "RESP version, 2 or 3.",
        "--protocol", section="client", panel=POOL_PANEL, default="3",
    ),
    _axis(
        "socket_timeout", kinds.duration(never=True), "How long to wait for a reply.",
        "--socket-timeout", section="client", panel=POOL_PANEL, default="5s",
        attribute="socket_timeout_ns",
    ),
    _axis(
        "socket_connect_timeout", kinds.duration(never=True), "How long to wait for a connection.",
        "--connect-timeout", section="client", panel=POOL_PANEL, default="5s",
        attribute="connect_timeout_ns",
    ),
    _axis(
        "decode_responses", kinds.boolean(), "Decode replies to str.",
        "--decode-responses", section="client", panel=POOL_PANEL, default="false",
    ),
    _axis(
        "retries", kinds.count("number of retries", least=0, most=100),
        "Retries redis-py makes itself; they hide errors in latency.",
        "--retries", section="client", panel=POOL_PANEL, default="0",
    ),
)  # fmt: skip

_SERVER_FIELDS = (
    Field(
        section="server", key="url", target="server.url", kind=kinds.url(),
        help="valkey[s]://user@host:port/db, redis[s]://…, unix://…; also VALKEYBENCH_URL. "
        "Without it, a private Valkey is started.",
        flags=("--url",), panel=SERVER_PANEL,
    ),
    Field(
        section="server", key="host", target="host", kind=kinds.host(),
        help="Host, where no url is given.",
    ),
    Field(
        section="server", key="port", target="port", kind=kinds.count("port", most=65535),
        help="Port, where no url is given.",
    ),
    Field(
        section="server", key="db", target="server.db",
        kind=kinds.count("database number", least=0, most=1_000_000),
        help="Database number.", flags=("--db",), panel=SERVER_PANEL, default="0",
    ),
    Field(
        section="server", key="username", target="server.username", kind=kinds.text("NAME"),
        help="ACL user.", flags=("--user",), panel=SERVER_PANEL,
    ),
    Field(
        section="server", key="password", target="server.password", kind=kinds.secret(),
        help="Password. Better VALKEYBENCH_PASSWORD or a password file.",
    ),
    Field(
        section="server", key="password_file", target="server.password", kind=kinds.secret_file(),
        help="File whose first line is the password; also VALKEYBENCH_PASSWORD.",
        flags=("--password-file",), panel=SERVER_PANEL,
    ),
    Field(
        section="server", key="client_name", target="server.client_name", kind=kinds.label(),
        help="CLIENT SETNAME of every connection.", flags=("--client-name",), panel=SERVER_PANEL,
    ),
    Field(
        section="server", key="ssl_ca_certs", target="server.tls.ca_certs",
        kind=kinds.existing_file(), help="CA certificates to trust.", flags=("--cacert",),
        panel=SERVER_PANEL,
    ),
    Field(
        section="server", key="ssl_certfile", target="server.tls.certfile",
        kind=kinds.existing_file(), help="Client certificate.", flags=("--cert",),
        panel=SERVER_PANEL,
    ),
    Field(
        section="server", key="ssl_keyfile", target="server.tls.keyfile",
        kind=kinds.existing_file(), help="Its key.", flags=("--key",), panel=SERVER_PANEL,
    ),
    Field(
        section="server", key="insecure", target="server.tls.verify",
        kind=kinds.boolean(inverted=True),
        help="Do not verify the server's certificate.", flags=("--insecure",), panel=SERVER_PANEL,
    ),
    Field(
        section="server", key="ssl_ca_path", target="server.tls.ca_path",
        kind=kinds.existing_directory(), help="Directory of CA certificates.",
    ),
    Field(
        section="server", key="ssl_password_file", target="server.tls.key_password",
        kind=kinds.secret_file(), help="File whose first line opens the client key.",
    ),
    Field(
        section="server", key="ssl_check_hostname", target="server.tls.check_hostname",
        kind=kinds.boolean(), help="Whether the certificate must name the host.",
    ),
    Field(
        section="server", key="ssl_min_version", target="server.tls.min_version",
        kind=kinds.choice(TlsVersion, "TLS version"), help="Least TLS version: 1.2 or 1.3.",
    ),
    Field(
        section="server", key="ssl_ciphers", target="server.tls.ciphers",
        kind=kinds.text("CIPHERS"), help="OpenSSL cipher list (TLS 1.2).",
    ),
)  # fmt: skip

FIELDS = (*_TOP_FIELDS, *_LOAD_FIELDS, *_NETWORK_FIELDS, *_CLIENT_FIELDS, *_SERVER_FIELDS)
FLAGGED = tuple(field for field in FIELDS if field.flags)
SECTIONS = ("server", "client", "load")
