"""Runs worth looking at, and what a console shows of a document."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tests.runs import case_record, run_file
from valkeybench.report.terminal import render
from valkeybench.results.runfile import Reading, Recommendation, RunFile, RunWarning

if TYPE_CHECKING:
    from valkeybench.report.document import Document
    from valkeybench.results.runfile import CaseRecord

ESCAPE = "\x1b"

PATH = "results/20260102T030405Z-ad-hoc.json"


def shown(
    document: Document,
    width: int = 80,
    *,
    encoding: str = "utf-8",
    environment: dict[str, str] | None = None,
    **console: Any,  # noqa: ANN401 - whatever a console takes
) -> str:
    """Give what a console of that width and encoding receives; a pipe unless told otherwise."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    render(
        document,
        Console(
            file=file, width=width, legacy_windows=False, _environ=environment or {}, **console
        ),
    )
    file.flush()
    assert isinstance(file.buffer, io.BytesIO)
    return file.buffer.getvalue().decode(encoding)


def recommendation(**changes: Any) -> Recommendation:  # noqa: ANN401 - every field of a record
    """Make a recommended size; every field can be another."""
    usual = {
        "applies_to": {"concurrency": 50, "think": "10ms"},
        "verdict": "size",
        "max_connections": 8,
        "minimum": 6,
        "basis": "estimated",
        "reason": "99.9 % of the handlers that asked found at most 7 connections in use",
        "evidence": {},
    }
    return Recommendation(**{**usual, **changes})


def with_memory(case: CaseRecord, *, bytes_each: int) -> CaseRecord:
    """Let the server's memory grow by so much for each connection of the pool."""
    trials = []
    for trial in case.trials:
        assert trial.server is not None
        assert trial.client.prewarm is not None
        before = 10**6
        ready = before + bytes_each * trial.client.prewarm.connections
        server = trial.server.model_copy(
            update={
                "before": Reading(at_ns=-2, used_memory=before),
                "ready": Reading(at_ns=-1, used_memory=ready),
            }
        )
        trials.append(trial.model_copy(update={"server": server}))
    return case.model_copy(update={"trials": trials})


SERVER = {
    "version": "9.1.2",
    "flavour": "valkey",
    "mode": "standalone",
    "tls": False,
    "address": "valkey://127.0.0.1:40001/0",
    "provider": "embedded",
}

ENVIRONMENT = {
    "python": "3.11.7",
    "implementation": "CPython",
    "packages": {"redis": "8.1.0", "hiredis": "3.2.0"},
    "server": SERVER,
}


def two_cases() -> RunFile:
    """Make the run everybody sees first: no pool against a pool of ten."""
    return run_file(
        case_record("none", throughput=3200, unfinished=6),
        with_memory(case_record("blocking", 10, throughput=4870), bytes_each=17_200),
        recommendations=[recommendation()],
        environment=ENVIRONMENT,
    )


def troubled() -> RunFile:
    """Make a run in which much went wrong."""
    starved = RunWarning(
        code="starved",
        message="40 of 50 handlers hardly completed anything: percentiles rank nothing",
        remedy="use a larger pool (--max-conn 4), or a pool that serves in order (--pool fair)",
        case="blocking-m2-c50",
    )
    return run_file(
        case_record("none", failures={"max_clients": 120, "timeout": 3}),
        case_record(
            "blocking",
            2,
            starved=40,
            unfinished=200,
            failures={"pool_timeout": 12},
            connections_counted=5,
        ),
        case_record("raising", 2, failures={"pool_exhausted": 12_000}, duration_ms=100),
        case_record("fair", 2, repeats=0),
        warnings=[starved],
        recommendations=[
            recommendation(
                verdict="no_size",
                max_connections=None,
                minimum=None,
                reason="the percentiles rank nothing while handlers starve",
                evidence={"remedy": "use a pool that serves in order (--pool fair)"},
            )
        ],
        status="interrupted",
    )


def tls() -> RunFile:
    """Make a run in which every phase there is takes its part."""
    parts = {
        "construct": 0.9,
        "connect": 0.15,
        "tls_context": 19.5,
        "tls": 1.4,
        "handshake": 0.6,
        "command": 0.17,
        "release": 0.08,
    }
    return run_file(case_record("none", phases=parts), case_record("blocking", 10))


def sweep() -> RunFile:
    """Make a run of ten cases along two axes."""
    return run_file(
        *(
            case_record("blocking", size, concurrency=handlers, repeats=1, duration_ms=500)
            for size in (2, 4, 8, 16, 32)
            for handlers in (10, 50)
        )
    )


EXAMPLES = {"two-cases": two_cases, "troubled": troubled, "tls": tls, "sweep": sweep}
