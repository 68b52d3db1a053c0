"""How well `valkeybench size` does on modelled applications whose best pool size is known.

    python benchmarks/sizing_model.py            try it with many seeds, print what it found
    python benchmarks/sizing_model.py --truth    measure the truth again, as the tests use it

The truth is every size tried for long and without noise. The tests drive the same procedure
with one seed; this drives it with more, for figures worth quoting.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import fmean, median

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.analysis.searching import (  # noqa: E402 - the checkout must be on the path first
    MISSED,
    TRUTH,
    measure_truth,
    read_truth,
    search,
    true_minimum,
)
from tests.analysis.settings import HOPELESS, WELL_BEHAVED  # noqa: E402 - as above
from valkeybench.analysis.search import Goal  # noqa: E402 - as above

_TRUTH_COMMANDS, _TRUTH_REPLICATES = 40_000, 3
_COMMANDS = 10_000
_SEEDS = 10


def write_truth() -> None:
    """Try every size of every setting for long, and keep what it came to."""
    truth = {}
    for setting in (*WELL_BEHAVED, *HOPELESS):
        grid = Goal(handlers=setting.handlers).grid
        found = measure_truth(setting, grid, commands=_TRUTH_COMMANDS, replicates=_TRUTH_REPLICATES)
        truth[setting.name] = {
            size: [round(p99, 4), round(rate, 1)] for size, (p99, rate) in found.items()
        }
        print(f"{setting.name}: {true_minimum(found)}", flush=True)
    lines = (f' "{name}": {json.dumps(each)}' for name, each in truth.items())
    TRUTH.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def try_it() -> None:
    """Run the procedure on every setting with several seeds."""
    truth = read_truth()
    excess, ratios, shares, refused = [], [], [], 0
    for setting in (*WELL_BEHAVED, *HOPELESS):
        goal, known = Goal(handlers=setting.handlers), truth[setting.name]
        best = min(p99 for p99, _ in known.values())
        found = [search(setting, goal, commands=_COMMANDS, seed=seed) for seed in range(_SEEDS)]
        sizes = [each.answer.size for each in found if each.answer.size is not None]
        causes = {each.answer.refusal.cause for each in found if each.answer.refusal}
        refused += len(found) - len(sizes)
        excess += [known[size][0] / best for size in sizes]
        ratios += [size / true_minimum(known) for size in sizes]
        shares += [len(each.tried) / goal.sweep_trials for each in found]
        print(
            f"{setting.name:18} true {true_minimum(known):3}  found {sorted(set(sizes))}"
            f"  {', '.join(sorted(causes))}",
            flush=True,
        )
    missed = fmean(each > MISSED for each in excess)
    print(
        f"{len(excess)} recommendations, {refused} refusals; missed {missed:.1%}; size over the"
        f" true minimum: median {median(ratios):.2f}, largest {max(ratios):.2f}; trials over those"
        f" of a sweep: mean {fmean(shares):.2f}, most {max(shares):.2f}"
    )


if __name__ == "__main__":
    if "--truth" in sys.argv:
        write_truth()
    else:
        try_it()
