"""How late commands of an open load begin: each driver at rising rates.

Lateness is from the instant a command was due until a handler began on it. It holds the
generator's own delays (timers, the interpreter's lock) and the wait for a handler when all
are busy, which begins to matter where the client comes near what it can do.

    python benchmarks/punctuality.py [--rates 1000,5000,20000] [--seconds 2]
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from valkeybench.load.places import LocalPlace
from valkeybench.measurement.metrics import Phase
from valkeybench.plan.trial import Trial
from valkeybench.scenario.model import Arrivals, Case, Driver, Pool
from valkeybench.server.embedded import embedded_server
from valkeybench.units import MILLISECOND, format_duration

if TYPE_CHECKING:
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.server.endpoint import Endpoint

HANDLERS = 50


def main() -> int:
    """Measure every driver at every rate and print the table."""
    options = _options()
    print(
        "driver      offered     done    dropped    late p50    late p99    late max   client CPU"
    )
    with embedded_server() as endpoint:
        for driver in Driver:
            for rate in map(float, options.rates.split(",")):
                _print(driver, rate, _measure(endpoint, driver, rate, options.seconds))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rates", default="1000,5000,20000")
    parser.add_argument("--seconds", type=float, default=2.0)
    return parser.parse_args()


def _measure(endpoint: Endpoint, driver: Driver, rate: float, seconds: float) -> Measurement:
    case = Case(
        pool=Pool.BLOCKING, max_connections=HANDLERS, concurrency=HANDLERS, driver=driver,
        rate=rate, arrivals=Arrivals.POISSON,
    ).meaningful()  # fmt: skip
    trial = Trial(
        case=case, case_index=0, repeat=0, seed="punctuality", duration_ns=round(seconds * 1e9),
        warmup_ns=300 * MILLISECOND, prewarm=True, commands=("GET key:{0..9999}",),
        tally_replies=False, key_prefix="valkeybench:punctuality:",
    )  # fmt: skip
    with LocalPlace().standing_by(trial, endpoint) as load:
        return load.run()


def _print(driver: Driver, rate: float, seen: Measurement) -> None:
    late = seen.histograms[Phase.LATENESS]
    quantiles = [late.quantile(share) or 0 for share in (0.5, 0.99, 1.0)]
    print(
        f"{driver:<9} {rate:>7.0f}/s {seen.completed / seen.offered:>8.1%} {seen.dropped:>10}",
        *(f"{format_duration(value):>11}" for value in quantiles),
        f"{seen.cpu_ns / seen.window_ns:>12.0%}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
