"""What a comparison says, and how it looks where a terminal is narrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.report.examples import ENVIRONMENT, shown
from tests.runs import case_record, run_file
from valkeybench.analysis.agreement import differences
from valkeybench.analysis.comparison import USUAL, RunComparison, compare_cases, rule_for
from valkeybench.analysis.matching import match_runs, match_within
from valkeybench.report.compare import compare_document

if TYPE_CHECKING:
    from valkeybench.results.runfile import RunFile

RULES = [rule_for(metric) for metric in USUAL]


def compared(base: RunFile, new: RunFile) -> RunComparison:
    """Put two runs side by side, or the cases of one by their pool."""
    within = new is base
    matching = (
        match_within(base.cases, by=["pool"]) if within else match_runs(base.cases, new.cases)
    )
    return RunComparison(
        base=base,
        new=new,
        differences=[] if within else differences(base, new),
        matching=matching,
        comparisons=[compare_cases(pair, rules=RULES) for pair in matching.pairs],
    )


def lines(found: RunComparison, *paths: str, width: int = 80) -> list[str]:
    """Give the report as a terminal shows it."""
    return shown(compare_document(found, paths=paths), width).splitlines()


def test_the_answer_comes_first_and_fits_a_terminal() -> None:
    """How many metrics changed which way, then each with its interval, in 80 columns."""
    base = run_file(case_record(p99_ms=2.0), environment=ENVIRONMENT)
    new = run_file(case_record(p99_ms=3.0), environment=ENVIRONMENT)

    said = lines(compared(base, new), "a.json", "b.json")

    start = said.index("blocking 10")
    headline = next(line for line in said if "metrics of 5 changed" in line)
    assert "1 for the worse, 1 for the better" in headline
    assert said.index(headline) < start
    title, row = (
        said[at].strip().replace("\N{NARROW NO-BREAK SPACE}", " ") for at in (start + 1, start + 3)
    )
    assert ["metric", "base", "new", "change", "between"] == title.split()
    assert "throughput 4 900 /s 4 900 /s ±0.0 % −0.4 … +0.4 % no change seen" == " ".join(
        row.split()
    )
    assert all(len(line) <= 80 for line in said)


def test_what_the_runs_do_not_agree_on_stands_above_what_it_may_explain() -> None:
    """Both sides and why it matters; what would have been refused is a warning."""
    base = run_file(case_record(), environment=ENVIRONMENT | {"cpu": "One"})
    new = run_file(case_record(), environment=ENVIRONMENT | {"cpu": "Two"})

    said = "\n".join(lines(compared(base, new), "a.json", "b.json", width=100))

    assert said.index("although the runs do not agree") < said.index("CPU  One   Two")
    assert said.index("CPU  One   Two") < said.index("throughput")


def test_within_a_run_it_says_against_which_case() -> None:
    """And that the trials took turns."""
    run = run_file(case_record("none"), case_record(), case_record("none", concurrency=5))

    said = "\n".join(lines(compared(run, run), "run.json"))

    assert "What differs" in said
    assert "against no pool" in said
    assert "1 case with nothing to stand against: none-c5" in said
    assert "took turns" in " ".join(said.split())
    assert "pool_wait.p99: a trial of the base saw nothing of the kind." in said
