"""What was found of a server that was watched, as JSON: the form is told in docs/observe.md."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from valkeybench import __version__
from valkeybench.analysis.observing import doubts

if TYPE_CHECKING:
    from datetime import datetime

    from valkeybench.analysis.observing import Findings, Usage

SCHEMA_VERSION = 1


def observe_json(findings: Findings, *, created: datetime) -> str:
    """Write what was found; durations are integer nanoseconds or whole seconds, by their names."""
    watched = findings.watched
    clients = watched.clients
    document = {
        "schema_version": SCHEMA_VERSION,
        "kind": "observation",
        "tool": {"name": "valkeybench", "version": __version__},
        "created": created.isoformat(timespec="seconds"),
        "status": _status(findings),
        "server": {
            "address": watched.address,
            "flavour": watched.facts.flavour,
            "version": watched.facts.version,
            "mode": watched.facts.mode,
            "role": watched.facts.role,
            "maxclients": watched.facts.maxclients,
            "tls": watched.facts.tls,
        },
        "watch": {
            "lasted_ns": clients.lasted_ns,
            "looks": clients.looks,
            "cost_ns": watched.cost_ns,
            "core_share": watched.core_share,
            "cost_is_told": watched.cost_is_told,
            "longest_listing_ns": watched.longest_listing_ns,
            "round_trip_ns": watched.round_trip_ns,
            "mean_command_ns": watched.mean_command_ns,
            "counts_commands": clients.counts_commands,
            "is_cut_short": clients.is_cut_short,
        },
        "wish": asdict(findings.wish),
        "others": {str(role): count for role, count in clients.others.items()},
        "unseen_connections": findings.unseen_connections,
        "applications": [_application(usage) for usage in findings.usages],
        "doubts": doubts(findings),
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _status(findings: Findings) -> str:
    if findings.watched.lost:
        return "failed"
    return "interrupted" if findings.watched.was_interrupted else "complete"


def _application(usage: Usage) -> dict[str, object]:
    record = asdict(usage)
    record["used_within"] = [
        {"back_ns": back, "connections": count} for back, count in usage.used_within
    ]
    return record
