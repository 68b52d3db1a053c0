"""A real delay of the kernel's (tc netem) costs what an emulated one does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.server.processes import ROOT
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from pathlib import Path

RTT_MS = 10
WORDS = (
    *("run", "-c", "2", "-m", "2", "--pool", "blocking,none", "--think", "0"),
    *("--duration", "2s", "--warmup", "200ms", "--repeats", "1", "-o", "run.json", "-q"),
)
SET_UP = f"ip link set lo up && tc qdisc add dev lo root netem delay {RTT_MS / 2}ms"
"""On loopback both directions pass the one queue: half of the round trip each way."""


def why_not() -> str:
    """Say why the kernel cannot delay here; empty when it can. It is tried, in a network apart."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "netem: needs root on Linux"
    missing = [tool for tool in ("unshare", "ip", "tc") if shutil.which(tool) is None]
    if missing:
        return f"netem: there is no {missing[0]}"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", SET_UP],  # noqa: S607 - whichever there is
        check=False,
        capture_output=True,
        text=True,
    )
    return f"netem: {done.stderr.strip() or 'refused'}" if done.returncode else ""


def measured(directory: Path, first: str, *words: str) -> dict[str, tuple[float, float]]:
    """Run in a network apart; give the median service and round trips of each pool policy."""
    command = [sys.executable, "-m", "valkeybench", *WORDS, *words]
    subprocess.run(
        ["unshare", "--net", "sh", "-c", f'{first} && exec "$@"', "sh", *command],  # noqa: S607 - as above
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    run = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    return {
        case["axes"]["pool"]: (
            case["summary"]["phases"]["service"]["p50_ns"],
            1
            + (1 + case["summary"]["connections"]["setup_round_trips"])
            * (case["axes"]["pool"] == "none"),
        )
        for case in run["cases"]
    }


def test_a_real_delay_costs_what_an_emulated_one_does(tmp_path: Path) -> None:
    """As many round trips with a pool and without, and in each as much time."""
    if reason := why_not():
        pytest.skip(reason)
    real = measured(tmp_path, SET_UP)
    emulated = measured(tmp_path, "ip link set lo up", "--rtt", f"{RTT_MS}ms")
    for pool, (service_ns, round_trips) in real.items():
        assert round_trips == emulated[pool][1]
        assert pytest.approx(emulated[pool][0], rel=0.1) == service_ns
        assert round_trips * RTT_MS * MILLISECOND <= service_ns
