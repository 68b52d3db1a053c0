"""What the numbers were measured on: everything that must agree before two runs compare."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

from valkeybench.units import MILLISECOND, SECOND

_SLEEPS = 50
_SLEEP_NS = MILLISECOND

CLIENT_PACKAGES = (
    "redis", "hiredis", "uvloop", "valkey", "libvalkey", "valkey-glide", "valkey-glide-sync",
    "numpy", "hdrhistogram",
)  # fmt: skip


def read_environment() -> dict[str, Any]:
    """Read machine, operating system, Python and client versions.

    Nothing personal: no host name, no user, no paths.
    """
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "debug_build": hasattr(sys, "gettotalrefcount"),
        "packages": {name: _version_of(name) for name in CLIENT_PACKAGES},
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "cpus_usable": _usable_cpus(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "open_files_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "port_range": _port_range(),
        "somaxconn": _kernel_number("/proc/sys/net/core/somaxconn"),
        "tcp_tw_reuse": _kernel_number("/proc/sys/net/ipv4/tcp_tw_reuse"),
    }


def read_state() -> dict[str, object]:
    """Read what passes: how fine the clock is, how late pauses end, ports still waiting."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return {
        "clock_step_ns": _clock_step_ns(),
        "sleep_late_ns": max(_sleep_late_ns() for _ in range(_SLEEPS)),
        "time_wait": _time_wait(),
        "open_files_hard_limit": None if hard == resource.RLIM_INFINITY else hard,
    }


def _clock_step_ns() -> int:
    """Give the smallest step the clock was seen to make."""
    readings = [time.perf_counter_ns() for _ in range(1000)]
    steps = [later - earlier for earlier, later in pairwise(readings) if later > earlier]
    return min(steps, default=0)


def _sleep_late_ns() -> int:
    begun = time.perf_counter_ns()
    time.sleep(_SLEEP_NS / SECOND)
    return time.perf_counter_ns() - begun - _SLEEP_NS


def _time_wait() -> int | None:
    for line in _lines("/proc/net/sockstat"):
        words = line.split()
        if words[0] == "TCP:" and "tw" in words:
            return int(words[words.index("tw") + 1])
    return None


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _usable_cpus() -> int | None:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def _cpu_model() -> str | None:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or None


def _port_range() -> list[int] | None:
    lines = _lines("/proc/sys/net/ipv4/ip_local_port_range")
    return [int(port) for port in lines[0].split()] if lines else None


def _kernel_number(path: str) -> int | None:
    lines = _lines(path)
    return int(lines[0]) if lines else None


def _lines(path: str) -> list[str]:
    """Read a file of the kernel's, where there is one."""
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
