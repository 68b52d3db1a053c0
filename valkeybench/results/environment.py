"""What the numbers were measured on: everything that must agree before two runs compare."""

from __future__ import annotations

import os
import platform
import resource
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CLIENT_PACKAGES = ("redis", "hiredis", "valkey", "numpy", "hdrhistogram")


def read_environment() -> dict[str, object]:
    """Read machine, operating system, Python and client versions. Nothing personal: no host
    name, no user, no paths."""
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
    }


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


def _lines(path: str) -> list[str]:
    """Read a file of the kernel's, where there is one."""
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
