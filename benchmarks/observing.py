"""How near `observe` comes: what it says of an application that counts its own connections.

`valkeybench run` is the application; it records at each acquire how many connections are in
use. `observe` looks at the same server meanwhile, and knows nothing of it. The run's counts
are over its whole window, the watch is in the middle of it.

    python benchmarks/observing.py [--seconds 5]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from valkeybench.server.embedded import embedded_server

if TYPE_CHECKING:
    from valkeybench.server.endpoint import Endpoint

LOADS = (
    "-c 50 -m 200 --think 10ms",
    "-c 50 -m 200 --think 100ms",
    "-c 50 -m 50 --think 50ms --driver asyncio",
    "-c 30 -m 30 --think 50ms --processes 2",
    "-c 20 -m 20 --think 20ms --rtt 2ms",
    "-c 30 -m 5 --think 20ms --rtt 1ms",
)
"""Near and far, much too large and too small; the emulated distance is in the client alone."""
_VALKEYBENCH = [sys.executable, "-m", "valkeybench"]


def main() -> int:
    """Watch every load once and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each watch")
    seconds = parser.parse_args().seconds
    print("| load | held | used | own most | own mean | estimate | bounds | share of a core |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with embedded_server() as endpoint:
        for load in LOADS:
            print(_row(load, *_watched(endpoint, load, seconds)), flush=True)
    return 0


def _watched(
    endpoint: Endpoint, load: str, seconds: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the run's own summary, and what was observed of it."""
    if endpoint.password is None:
        raise AssertionError("bug: a server of ours has a password")
    known = {
        "VALKEYBENCH_URL": endpoint.address,
        "VALKEYBENCH_PASSWORD": endpoint.password.reveal(),
    }
    with TemporaryDirectory() as directory:
        kept = Path(directory) / "run.json"
        run = [*_VALKEYBENCH, "run", "-q", "-o", str(kept), "--client-name", "app", *load.split()]
        run += ["--pool", "blocking", "--repeats", "1", "--duration", f"{seconds + 3}s"]
        with subprocess.Popen(run, env=known, stdout=subprocess.DEVNULL) as application:
            # It has started, and filled its pool, before we look.
            time.sleep(2.5)
            observe = [*_VALKEYBENCH, "observe", "--for", f"{seconds}s", "--json"]
            seen = subprocess.run(observe, env=known, capture_output=True, check=True).stdout
            application.wait()
        own = json.loads(kept.read_text(encoding="utf-8"))["cases"][0]
    return own, json.loads(seen)


def _row(load: str, own: dict[str, Any], seen: dict[str, Any]) -> str:
    # The largest comes first; the run's own look at the server is a connection of its own.
    app = next(each for each in seen["applications"] if each["application"]["name"] == "app")
    in_use, counted, axes = app["in_use"], own["summary"]["in_use"], own["axes"]
    # It counts those in use when a handler asks, before it takes one more.
    most = min(counted["max"] + 1, axes["max_connections"])
    processes = axes["processes"]
    cells = [
        f"`{load}`",
        f"{app['held']}",
        f"{app['used']}",
        f"{most}" if processes == 1 else f"{most} in one of {processes}",
        f"{counted['mean']:.2f}",
        f"{in_use['estimate']:.2f}",
        f"{in_use['least']:.3f} to {in_use['most']:.1f}",
        f"{100 * seen['watch']['core_share']:.2f} %",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
