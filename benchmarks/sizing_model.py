"""How well `valkeybench size` does on modelled applications whose best pool size is known.

    python benchmarks/sizing_model.py            try it with many seeds, print what it found
    python benchmarks/sizing_model.py --slo      the same with SLOs, from tight to lax
    python benchmarks/sizing_model.py --truth    measure the truth again, as the tests use it

The truth is every size tried for long and without noise. The tests drive the same procedure
with one seed; this drives it with more, for figures worth quoting.
"""

from __future__ import annotations

import json
import sys
from itertools import product
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
from valkeybench.analysis.enough import Yardstick  # noqa: E402 - as above
from valkeybench.analysis.goal import Goal  # noqa: E402 - as above
from valkeybench.analysis.limits import parse_limits  # noqa: E402 - as above

_TRUTH_COMMANDS, _TRUTH_REPLICATES = 40_000, 3
_COMMANDS = 10_000
_SEEDS = 10
_SLO_SEEDS = 3
_RATE_TOLERANCE, _BROKEN = 0.98, 1.10
_SLOS = (1.2, 1.5, 2.0, 4.0)
"""SLOs for response p99, as so many times the best there is."""


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


def try_slos() -> None:
    """Search with SLOs on every setting that has a size, and count those the size breaks."""
    truth = read_truth()
    over, ratios, shares, pairs, refused = [], [], [], [], 0
    for setting, factor in product(WELL_BEHAVED, _SLOS):
        known = truth[setting.name]
        allowed = factor * min(p99 for p99, _ in known.values())
        slo = parse_limits([f"response.p99 < {allowed:.4f}ms"], place="--slo")
        goal = Goal(handlers=setting.handlers, yardstick=Yardstick(slo=slo))
        least = _RATE_TOLERANCE * max(rate for _, rate in known.values())
        kept = [size for size, (p99, rate) in known.items() if p99 < allowed and rate >= least]
        for seed in range(_SLO_SEEDS):
            found = search(setting, goal, commands=_COMMANDS, seed=seed)
            shares.append(len(found.tried) / goal.sweep_trials)
            size, judged = found.answer.size, found.answer.judged(found.answer.size or 0)
            if size is None:
                refused += 1
                continue
            over.append(known[size][0] / allowed)
            ratios.append(size / min(kept))
            pairs.append(len(judged.pairs) if judged else 0)
    print(
        f"{len(over)} recommendations, {refused} refusals; SLO broken"
        f" {fmean(each >= 1 for each in over):.1%}, by more than 10 %"
        f" {fmean(each >= _BROKEN for each in over):.1%}, worst {max(over):.2f} of it; size over"
        f" the true minimum: median {median(ratios):.2f}, largest {max(ratios):.2f}; on a single"
        f" pair {fmean(each == 1 for each in pairs):.0%}; trials over those of a sweep: mean"
        f" {fmean(shares):.2f}, most {max(shares):.2f}"
    )


if __name__ == "__main__":
    if "--truth" in sys.argv:
        write_truth()
    elif "--slo" in sys.argv:
        try_slos()
    else:
        try_it()
