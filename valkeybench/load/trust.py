"""What building a TLS context costs on this machine, which redis-py does for every connection."""

from __future__ import annotations

import json
import subprocess
import sys

from valkeybench.scenario.secret import public_environment

_TIMED = """
import json, ssl, statistics, time
def once():
    begun = time.perf_counter_ns()
    ssl.create_default_context()
    return time.perf_counter_ns() - begun
once()
print(json.dumps(round(statistics.median(once() for _ in range(5)))))
"""


def context_cost(ca_certs: str | None) -> dict[str, int] | None:
    """Time building a context with the system's CA certificates, and with this one alone.

    Medians of five in a process each, in nanoseconds; None when there is no CA file to try.
    """
    if ca_certs is None:
        return None
    system = public_environment()
    system.pop("SSL_CERT_FILE", None)
    return {
        "system_ns": _time_context(system),
        "own_ca_ns": _time_context({**system, "SSL_CERT_FILE": ca_certs}),
    }


def _time_context(environment: dict[str, str]) -> int:
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-I", "-c", _TIMED],
        env=environment,
        capture_output=True,
        check=True,
    )
    return int(json.loads(done.stdout))
