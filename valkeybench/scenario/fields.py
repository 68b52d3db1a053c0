"""Every lever there is, once: its place in a TOML file, its flag, its kind, its words.

The reader, the command line, the published schema and the reference page are all made
from this table, so they cannot disagree.
"""

from __future__ import annotations

from typing import Any

from valkeybench.scenario import kinds, passwords
from valkeybench.scenario.disturbing import disturbance
from valkeybench.scenario.field import Field, Panel
from valkeybench.scenario.model import (
    Arrivals,
    Client,
    Clients,
    Driver,
    EventLoop,
    Handshake,
    Keys,
    Pool,
)
from valkeybench.scenario.sizes import values
from valkeybench.scenario.template import MOST_TOGETHER
from valkeybench.scenario.tls_fields import TLS_FIELDS

MOST_HANDLERS = 20_000
MOST_PROCESSES = 10_000


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
        help="Repeats the same draws and order.", flags=("--seed",), panel=Panel.MEASURING,
        default="1",
    ),
    Field(
        section="", key="fail_if", target="fail_if", kind=kinds.text("LIMIT"),
        help="Exit with 10 if this is so, with 11 if it can't be told: 'response.p99 > 5ms', "
        "'failed > 0', 'command.p50[tls=on] / command.p50[tls=off] > 1.5'.",
        flags=("--fail-if",), many=True, panel=Panel.LIMITS,
    ),
)  # fmt: skip

_LOAD_FIELDS = (
    _axis(
        "concurrency", kinds.count("number of handlers", most=MOST_HANDLERS),
        "Handlers (threads or tasks) per process, each issuing one command at a time.",
        "--concurrency", "-c", section="load", panel=Panel.LOAD, default="50",
    ),
    _axis(
        "processes", kinds.count("number of processes", most=MOST_PROCESSES),
        "Application processes, each with its own pool.",
        "--processes", section="load", panel=Panel.LOAD, default="1",
    ),
    _axis(
        "think", kinds.think(),
        "Mean pause of a handler before each command, exponential; 'constant 5ms'; 0 saturates.",
        "--think", section="load", panel=Panel.LOAD, default="10ms",
    ),
    _axis(
        "rate", kinds.rate(),
        "Open load: requests due per second in all processes together, as 5000/s. No think time.",
        "--rate", section="load", panel=Panel.LOAD,
    ),
    _axis(
        "arrivals", kinds.choice(Arrivals, "kind of arrivals"),
        "When commands are due at a rate: poisson, at random, or steady, at even distances.",
        "--arrivals", section="load", panel=Panel.LOAD, default="poisson",
    ),
    Field(
        section="load", key="commands", target="commands", kind=kinds.command(),
        help="What to send, '@3' at the end weighs it; {0..9999}, {zipf:0..9999} or {seq:0..9999} "
        "is a number, {value} a value; 'PIPELINE 10 GET key:{0..99} ; PING' or 'MULTI …' a batch.",
        flags=("--command",), many=True, panel=Panel.LOAD, default="GET key:{0..9999}",
    ),
    _axis(
        "value_size", values(),
        "Size of the values written and read: 64, 100..4KiB, 'lognormal 100..4KiB', 'random 1KiB'.",
        "--value-size", section="load", panel=Panel.LOAD, default="64",
    ),
    _axis(
        "pipeline", kinds.count("number of commands", most=MOST_TOGETHER),
        "Commands in one pipeline: each --command is sent so many times in one round trip.",
        "--pipeline", section="load", panel=Panel.LOAD, default="1",
    ),
    Field(
        section="load", key="duration", target="duration_ns", kind=kinds.duration(),
        help="Length of each trial's window.", flags=("--duration",), panel=Panel.MEASURING,
        default="3s",
    ),
    Field(
        section="load", key="warmup", target="warmup_ns", kind=kinds.duration(zero=True),
        help="Load before the window, not counted.", flags=("--warmup",), panel=Panel.MEASURING,
        default="500ms",
    ),
    Field(
        section="load", key="repeats", target="repeats",
        kind=kinds.count("number of repeats", most=1000),
        help="Trials of each case, interleaved.", flags=("--repeats",), panel=Panel.MEASURING,
        default="3",
    ),
    Field(
        section="load", key="prewarm", target="prewarm", kind=kinds.boolean(),
        help="Open the whole pool before the load.", flags=("--prewarm",), panel=Panel.MEASURING,
        default="true",
    ),
    _axis(
        "keys", kinds.choice(Keys, "place of keys"),
        "Where in a cluster: spread over all nodes, or all in one_slot, by a hash tag.",
        "--keys", section="load", panel=Panel.LOAD, default="spread",
    ),
    _axis(
        "disturb", disturbance(),
        "What happens to our own server in the window: 'restart 250ms at 1s' (killed, and away for "
        "so long), 'stall 500ms', kill_clients; after a third of it unless said. None is none.",
        "--disturb", section="load", panel=Panel.LOAD, default="none",
    ),
    Field(
        section="load", key="data_set", target="data_set", kind=kinds.boolean(),
        help="Write what the commands read before the load; without, they find nothing.",
        flags=("--data-set",), panel=Panel.LOAD, default="true",
    ),
    Field(
        section="load", key="tally_replies", target="tally_replies", kind=kinds.boolean(),
        help="Count distinct replies (for commands like CLIENT ID).",
    ),
    Field(
        section="load", key="pin", target="pin", kind=kinds.pinning(),
        help="CPUs: none, auto, or client=0,server=1 (the server only if it is ours).",
        flags=("--pin",), panel=Panel.MEASURING, default="none",
    ),
    Field(
        section="load", key="place", target="place", kind=kinds.place(),
        help="Where load processes run: local, or the Dask workers of tcp://scheduler:8786.",
        flags=("--place",), panel=Panel.LOAD, default="local",
    ),
)  # fmt: skip

_NETWORK_FIELDS = (
    _axis(
        "rtt", kinds.duration(zero=True),
        "Round trip of an emulated network, added wherever a real one would be waited for.",
        "--rtt", section="load", panel=Panel.LOAD, default="0", attribute="rtt_ns",
    ),
)  # fmt: skip

_CLIENT_FIELDS = (
    _axis(
        "pool", kinds.choice(Pool, "pool policy"),
        "none: a connection per command; raising: ConnectionPool; blocking: "
        "BlockingConnectionPool; fair: the same, first come first served (asyncio: a semaphore); "
        "multiplexed: one connection for all, which is what valkey-glide has.",
        "--pool", section="client", panel=Panel.POOL, default="none,blocking",
    ),
    _axis(
        "max_connections", kinds.count("pool size", most=65_000),
        "Pool size of each process.",
        "--max-conn", "-m", section="client", panel=Panel.POOL, default="10",
    ),
    _axis(
        "pool_timeout", kinds.duration(zero=True, never=True),
        "How long a blocking or fair pool waits for a connection.",
        "--pool-timeout", section="client", panel=Panel.POOL, default="20s",
        attribute="pool_timeout_ns",
    ),
    _axis(
        "client", kinds.choice(Client, "client library"),
        "redis-py; or extras: valkey-py, whose pools are like it, and valkey-glide, which has none "
        "but one connection for all handlers.",
        "--client", section="client", panel=Panel.CLIENT, default="redis-py",
    ),
    _axis(
        "driver", kinds.choice(Driver, "driver"),
        "threads: the client in threads; asyncio: its asyncio side, in tasks on an event loop; "
        "wire: bare sockets and a fair pool, no client library.",
        "--driver", section="client", panel=Panel.CLIENT, default="threads",
    ),
    _axis(
        "event_loop", kinds.choice(EventLoop, "event loop"),
        "The asyncio driver's loop: asyncio, or uvloop (an extra; its timers are whole ms).",
        "--event-loop", section="client", panel=Panel.CLIENT, default="asyncio",
    ),
    _axis(
        "clients", kinds.choice(Clients, "client policy"),
        "shared: a handler keeps its client; successive: a new client object per command.",
        "--clients", section="client", panel=Panel.CLIENT, default="shared",
    ),
    _axis(
        "handshake", kinds.choice(Handshake, "handshake"),
        "shipped: what redis-py does by default; minimal: no driver info, no notifications.",
        "--handshake", section="client", panel=Panel.CLIENT, default="shipped",
    ),
    _axis(
        "protocol", kinds.count("RESP version", least=2, most=3), "RESP version, 2 or 3.",
        "--protocol", section="client", panel=Panel.CLIENT, default="3",
    ),
    _axis(
        "socket_timeout", kinds.duration(never=True), "How long to wait for a reply.",
        "--socket-timeout", section="client", panel=Panel.CLIENT, default="5s",
        attribute="socket_timeout_ns",
    ),
    _axis(
        "socket_connect_timeout", kinds.duration(never=True), "How long to wait for a connection.",
        "--connect-timeout", section="client", panel=Panel.CLIENT, default="5s",
        attribute="connect_timeout_ns",
    ),
    _axis(
        "decode_responses", kinds.boolean(), "Decode replies to str.",
        "--decode-responses", section="client", panel=Panel.CLIENT, default="false",
    ),
    _axis(
        "retries", kinds.count("number of retries", least=0, most=100),
        "Retries redis-py makes itself; they hide errors in latency.",
        "--retries", section="client", panel=Panel.CLIENT, default="0",
    ),
    _axis(
        "reconnect_within", kinds.duration(zero=True, never=True),
        "The pool opens lost connections by itself, each after a random part of this; none: when a "
        "handler wants one. Driver wire only.",
        "--reconnect-within", section="client", panel=Panel.CLIENT, default="none",
        attribute="reconnect_within_ns",
    ),
)  # fmt: skip

_SERVER_FIELDS = (
    Field(
        section="server", key="url", target="server.url", kind=kinds.url(),
        help="valkey[s]://user@host:port/db, redis[s]://…, unix://…; also VALKEYBENCH_URL. "
        "Without it, a private Valkey is started.",
        flags=("--url",), panel=Panel.SERVER,
    ),
    Field(
        section="server", key="cluster", target="server.cluster", kind=kinds.boolean(),
        help="It is a cluster: load all its nodes, with a pool each. Without a URL, three "
        "primaries are started.",
        flags=("--cluster",), panel=Panel.SERVER, default="false",
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
        help="Database number.", flags=("--db",), panel=Panel.SERVER, default="0",
    ),
    Field(
        section="server", key="username", target="server.username", kind=kinds.text("NAME"),
        help="ACL user.", flags=("--user",), panel=Panel.SERVER,
    ),
    Field(
        section="server", key="password", target="server.password", kind=passwords.secret(),
        help="Password. Better VALKEYBENCH_PASSWORD or a password file.",
    ),
    Field(
        section="server", key="password_file", target="server.password",
        kind=passwords.secret_file(),
        help="File whose first line is the password; also VALKEYBENCH_PASSWORD.",
        flags=("--password-file",), panel=Panel.SERVER,
    ),
    Field(
        section="server", key="askpass", target="server.password", kind=passwords.asked_secret(),
        help="Ask for the password on the terminal, without showing it.", flags=("--askpass",),
        panel=Panel.SERVER,
    ),
    Field(
        section="server", key="client_name", target="server.client_name", kind=kinds.label(),
        help="CLIENT SETNAME of every connection.", flags=("--client-name",), panel=Panel.SERVER,
    ),
)  # fmt: skip

FIELDS = (
    *_TOP_FIELDS,
    *_LOAD_FIELDS,
    *_NETWORK_FIELDS,
    *_CLIENT_FIELDS,
    *_SERVER_FIELDS,
    *TLS_FIELDS,
)
FLAGGED = tuple(field for field in FIELDS if field.flags)
SECTIONS = ("server", "client", "load")
