"""The run file: its exact shape, as records that check themselves and publish their schema.

Schema history
1   0.1.0   the first
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, JsonValue, field_validator

from valkeybench.results.bounds import AxisValue, Count, Many, Moment, Nanoseconds, Share
from valkeybench.results.placed import Place
from valkeybench.results.record import Record
from valkeybench.results.recovered import Disturbance, Recovery

SCHEMA_VERSION: Final = 1

_NUMBERED = (
    *("max_connections", "concurrency", "processes", "pipeline", "protocol", "retries", "rate"),
    *("pool_timeout_ns", "socket_timeout_ns", "connect_timeout_ns", "rtt_ns"),
)
"""The axes whose values are numbers, where they have any."""


class Tool(Record):
    """Who wrote the file."""

    name: Literal["valkeybench"] = "valkeybench"
    version: str


class RunWarning(Record):
    """Something that limits what the numbers mean: what was seen, why it matters, what to do."""

    code: str
    message: str
    remedy: str
    case: str | None = None
    """Id of the case it is about; None when it is about the run."""


class PhaseSummary(Record):
    """One phase's latency distribution, in nanoseconds. Only phases with samples are kept."""

    count: Annotated[int, Field(ge=1)]
    min_ns: Nanoseconds
    mean_ns: Share
    p50_ns: Nanoseconds
    p90_ns: Nanoseconds
    p99_ns: Nanoseconds
    p999_ns: Nanoseconds
    max_ns: Nanoseconds


class Connections(Record):
    """Connections opened before the window, within it, and the most open at once."""

    prewarmed: Count
    opened: Count
    open_max: Count
    got_through: Count | None = None
    """How many of all those opened were ready for a command in the end; None is not known."""
    setup_round_trips: Share | None = None
    """Set-up commands a new connection waited for, one after another (mean)."""
    tls_round_trips: Share | None = None
    """Round trips negotiating TLS took a new connection (mean)."""
    setup_refused: Share | None = None
    """How many of the set-up commands the server answered with an error (mean)."""
    setup: dict[str, Count] = Field(default_factory=dict)
    """Set-up commands sent, by name."""
    reopening_failed: dict[str, Count] = Field(default_factory=dict)
    """Attempts of a pool that opens lost connections by itself that came to nothing, by kind."""
    refused: dict[str, Count] = Field(default_factory=dict)
    """Set-up commands the server answered with an error, by name."""


class InUse(Record):
    """Connections taken when a handler asked for one (before taking)."""

    mean: Share
    p99: Count
    p999: Count
    max: Count


class Summary(Record):
    """What a trial saw, or all trials of a case together. Never an average of percentiles."""

    throughput: Share
    """Completed requests per second, all processes together; failures are not in it. A
    request is one command, or one batch of several."""
    attempted: Count
    """Requests begun or due in the window: completed, failed, unfinished and dropped together."""
    completed: Count
    """Requests whose reply came, and was no error, before the window closed."""
    commands: Count | None = None
    """Commands of the completed requests; None in a file that does not tell."""
    failed: Count
    """Requests that ended in an error; they are in no throughput and no latency but `failed`."""
    unfinished: Count
    """Requests under way when the window closed; each counts in the latencies at its age."""
    dropped: Count
    """Commands of an open load that were due before the window closed and never sent."""
    offered: Count | None = None
    """Commands due in the window by the schedule of an open load; None for a closed one."""
    retries: Count = 0
    """What the client library tried again by itself."""
    failures: dict[str, Count]
    """The failed requests by kind."""
    error_replies: dict[str, Count] = Field(default_factory=dict)
    """What the client heard, by code (`WRONGTYPE`; with the command refused, `NOPERM GET`). At most
    16; the rest are `OTHER`. Empty in a file that does not tell."""
    fairness: Share | None
    """Jain's index over completed commands per handler: 1 is even, 1/n is one handler only."""
    starved: Count
    """Handlers that completed less than a tenth of the mean; of a case, in its worst trial."""
    connections: Connections
    in_use: InUse | None
    phases: dict[str, PhaseSummary]
    out_of_range: Count = 0
    """Durations under 0 or over one hour: they are counted here and in no phase."""


class Interval(Record):
    """One slice of the window."""

    start_ns: Nanoseconds
    """Since the window opened."""
    throughput: Share
    failed: Count
    response_p50_ns: Nanoseconds | None
    response_p99_ns: Nanoseconds | None
    pool_wait_p99_ns: Nanoseconds | None
    in_use_mean: Share | None
    in_use_max: Count | None
    open_connections: Count | None
    failures: dict[str, Count] = Field(default_factory=dict)
    """The failed requests by kind; empty in a file that does not tell."""
    opened: Count | None = None
    """Connections that were opened; None in a file that does not tell."""


class Prewarm(Record):
    """What opening the pool before the load cost."""

    connections: Count
    duration_ns: Nanoseconds
    phases: dict[str, PhaseSummary]


class Client(Record):
    """The load process(es) during the window."""

    cpu_ns: Nanoseconds
    """CPU time of all load processes together."""
    cpu_share: Share
    """CPU time over window time for the average process: 1.0 is one core, and a Python limit."""
    voluntary_switches: Count
    involuntary_switches: Count
    prewarm: Prewarm | None
    pinned_to: Many[int] | None
    abandoned: Count = 0
    """Handlers still stuck in a command some time after the window closed."""
    in_use_left: Count = 0
    """Connections still taken when every handler had ended or was given up; there should be none
    beyond those of abandoned handlers."""
    loop_lag: PhaseSummary | None = None
    """How late the event loop got round to what was due; None for a driver without one."""


class Reading(Record):
    """What the server said of itself at one instant; None is not reported or not permitted."""

    at_ns: Moment
    """Since the window opened; negative is before."""
    connected_clients: Count | None = None
    total_connections_received: Count | None = None
    rejected_connections: Count | None = None
    used_memory: Count | None = None
    mem_clients_normal: Count | None = None
    cpu_ns: Nanoseconds | None = None
    commands_processed: Count | None = None
    error_replies: Count | None = None
    blocked_clients: Count | None = None
    evicted_keys: Count | None = None


class Node(Record):
    """One primary of a cluster, as the client and the node itself counted."""

    address: str
    """Where it is; `elsewhere` stands for all that were not there when the run began."""
    slots: Count | None
    """How many of the 16384 slots it held when the run began."""
    commands: Count
    """Commands that ended in the window over a connection to it, failed ones included."""
    connections: Count
    """Connections the client opened to it from first to last, for finding the nodes as well."""
    connections_counted: Count | None
    """Connections the node accepted during that time, less the sampler's own."""
    open_max: Count
    in_use: InUse | None
    """Connections of its pool taken when a handler asked for one."""
    moved: Count
    """Redirections for good (MOVED) the client got from it."""
    asked: Count
    """Redirections for one command (ASK) the client got from it."""
    moved_counted: Count | None
    """The same by the node's own error statistics; other clients' are in it."""
    asked_counted: Count | None
    cpu_share: Share | None
    """Main-thread CPU over wall time while the load ran."""


class TrialNode(Node):
    """The same in one trial, with what the node said of itself."""

    server: Server | None


class Server(Record):
    """The server before, during and after a trial, in its own words."""

    before: Reading
    ready: Reading
    """After the pool was opened, before the load."""
    after: Reading
    samples: Many[Reading]
    connections_counted: Count | None
    """Connections the server accepted during the trial, less the sampler's own."""
    cpu_share: Share | None
    """Main-thread CPU over wall time while the load ran: 1.0 is all one thread can give.
    Of a cluster, whose other numbers are sums over its nodes, it is the busiest node's."""
    lost: bool = False
    """The server went away."""
    restarted: bool = False
    """It was restarted meanwhile: `after` has counted afresh, and how much counters grew over the
    trial is not known."""
    errors: dict[str, Count] | None = None
    """Error replies to all its clients meanwhile, by code; None when it does not count them."""
    listen_overflows: Count | None = None
    """Times a full accept queue of this machine turned a new connection away meanwhile, whoever
    listened; None when the server is elsewhere or the kernel does not tell."""
    listen_drops: Count | None = None
    """The same for any reason."""


class Trial(Record):
    """One timed run of one case, in a fresh process with a fresh pool."""

    repeat: Count
    started: str
    duration_ns: Nanoseconds
    summary: Summary
    histograms: dict[str, str]
    """Phase name to base64 of an HdrHistogram V2, compressed."""
    in_use_counts: Many[Count]
    """How many acquires found 0, 1, 2, … connections in use."""
    series: Many[Interval]
    client: Client
    server: Server | None
    handlers: Many[Count]
    """Completed commands of each handler, sorted."""
    place: Place | None = None
    replies: dict[str, Count] | None = None
    """Distinct replies and how often each came, when the scenario asked for it."""
    nodes: Many[TrialNode] | None = None
    """Of a cluster: what fell to each node; None when it was none."""
    disturbance: Disturbance | None = None
    """What was done to the server within the window; None where nothing was."""


class CaseRecord(Record):
    """One point of the matrix with its trials."""

    id: str
    axes: dict[str, AxisValue]
    """What was fixed for it; `rtt_ns` is an emulated round trip, not one of the real network."""
    rtt_emulated: bool = False
    """Whether the client waited for an emulated network (`rtt_ns`): it is in every duration."""
    summary: Summary | None
    """None when no trial of it was finished."""
    trials: Many[Trial]
    nodes: Many[Node] | None = None
    """Of a cluster: what fell to each node in all trials together."""
    recovery: Recovery | None = None
    """What its disturbance took; None where nothing was disturbed, or the run has not ended."""

    @field_validator("axes")
    @classmethod
    def _axes_are_what_they_say(cls, axes: dict[str, AxisValue]) -> dict[str, AxisValue]:
        for name in _NUMBERED:
            value = axes.get(name)
            if isinstance(value, str | bool) or (isinstance(value, int | float) and value < 0):
                raise ValueError(f"{name} is no number from 0 on")
        return axes


class Recommendation(Record):
    """A pool size with its reason, or the reason why there is none."""

    applies_to: Annotated[dict[str, AxisValue], Field(alias="for")]
    """The axes other than pool and max_connections it holds for; `rtt_ns` is emulated."""
    verdict: Literal["size", "no_size"]
    max_connections: Annotated[int, Field(ge=1)] | None
    minimum: Annotated[int, Field(ge=1)] | None
    basis: Literal["estimated", "measured", "certified"]
    reason: str
    evidence: dict[str, JsonValue]


class DataSet(Record):
    """What was written before the load, so that reads find it. Its cost is in no other figure."""

    keys: Count
    bytes: Count
    """Of the words sent: keys, items and values."""
    duration_ns: Nanoseconds


class ConnectionCost(Record):
    """Bytes of the server's memory for one connection, found out before the load.

    `used_…` is by `used_memory`, without what a TLS library takes; `allocated_…` is by
    `allocator_allocated`, which holds it where the two share an allocator (good to a few
    kilobytes).
    """

    tls: bool
    connections: Count
    """How many were opened to find out; their average is given."""
    used_fresh: Count | None
    """Just set up."""
    used_idle: Count | None
    """After the server has shrunk its buffers."""
    allocated_fresh: Count | None
    """Just set up."""
    allocated_idle: Count | None
    """After the server has shrunk its buffers."""
    note: str
    """Why figures are missing; empty when none is."""


class RunFile(Record):
    """Scenario, environment and every trial of one run."""

    schema_version: Literal[1] = SCHEMA_VERSION
    tool: Tool
    created: str
    status: Literal["complete", "interrupted", "failed"]
    environment: dict[str, JsonValue]
    scenario: dict[str, JsonValue]
    data_set: DataSet | None = None
    """None where the commands read nothing, or it was not wanted."""
    warnings: Many[RunWarning]
    cases: Many[CaseRecord]
    recommendations: Many[Recommendation]
    connection_costs: Many[ConnectionCost] = Field(default_factory=list)
    """What a connection costs the server, for plain ones and over TLS as the cases go."""


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 2020-12) every run file obeys."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **RunFile.model_json_schema(by_alias=True, mode="serialization"),
    }
