"""What a check-up says of the server it found."""

from __future__ import annotations

from typing import Any

import pytest

from valkeybench.analysis.fitness import Check, fitness
from valkeybench.measurement.reading import facts_from_info

ENVIRONMENT: dict[str, Any] = {
    "debug_build": False,
    "implementation": "CPython",
    "python": "3.11.7",
    "packages": {"redis": "8.1.0", "hiredis": None},
    "cpus_usable": 2,
    "cpu": "Example CPU",
    "machine": "x86_64",
    "load_average": [0.1, 0.1, 0.1],
    "port_range": [1, 100],
}
STATE: dict[str, Any] = {
    "clock_step_ns": 50,
    "sleep_late_ns": 100_000,
    "open_files_hard_limit": None,
    "time_wait": 1,
}


def check(name: str, *, ours: bool) -> Check:
    """Look up one check of a healthy machine and server."""
    facts = facts_from_info(
        {"maxclients": "10000", "connected_clients": "2"},
        tls=False,
        missing=(),
    )
    [found] = [c for c in fitness(ENVIRONMENT, STATE, facts, ours=ours) if c.name == name]
    return found


@pytest.mark.parametrize(
    ("ours", "seen"), [(True, "10000, and more where a run needs more"), (False, "10000")]
)
def test_only_a_server_of_our_own_takes_as_many_clients_as_a_run_needs(
    *, ours: bool, seen: str
) -> None:
    """The limit of somebody else's is what it is."""
    assert seen == check("maxclients", ours=ours).seen


def test_one_client_is_no_plural() -> None:
    """Its noun goes with the count."""
    assert "1 client and 0 replicas" == check("its other users", ours=False).seen
