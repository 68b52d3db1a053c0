"""The report of a search explains the size: what was tried, what limits, what to paste."""

from __future__ import annotations

import ast
import os
import queue
from functools import lru_cache
from pathlib import Path
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest

from tests.analysis.trying import enough_from, search
from tests.report.examples import PATH, recommendation, shown
from tests.runs import run_file
from valkeybench.analysis.found import recommendation as found
from valkeybench.analysis.goal import Confidence, Goal
from valkeybench.analysis.health import health
from valkeybench.report.document import Snippet
from valkeybench.report.size import is_search, size_document, size_summary
from valkeybench.report.snippets import fair_snippets, pool_snippets
from valkeybench.scenario.model import Pool
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord, RunFile

GOLDEN = Path(__file__).parent / "golden"
GOALS = {
    "size": Goal(handlers=50, growth=1.4),
    "size-certified": Goal(handlers=50, confidence=Confidence.CERTIFIED),
    "size-raising": Goal(handlers=50, pool=Pool.RAISING),
    "size-refused": Goal(handlers=50),
}


@lru_cache(maxsize=8)
def searched(name: str) -> RunFile:
    """Give the run file of a search."""
    goal, cpu_share = GOALS[name], 0.97 if name == "size-refused" else 0.35
    answer, tried = search(goal, enough_from(7, cpu_share=cpu_share))
    cases: dict[tuple[Pool, int], CaseRecord] = {}
    for each in tried:
        key = each.attempt.pool, each.attempt.size
        record = each.sight.case.record
        known = cases.get(key)
        trials = [*(known.trials if known else []), *record.trials]
        cases[key] = record.model_copy(update={"trials": trials})
    records = list(cases.values())
    said = found(goal, tried, answer, cpus=4)
    return run_file(*records, warnings=health(records), recommendations=[said])


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("name", GOALS)
def test_a_search_is_shown_as_it_always_was(name: str, columns: int) -> None:
    """The whole report, word for word."""
    golden = GOLDEN / f"{name}-{columns}.txt"
    seen = shown(size_document(searched(name), path=PATH), columns)
    if os.environ.get("VALKEYBENCH_WRITE_GOLDEN"):
        golden.write_text(seen, encoding="utf-8")

    assert golden.read_text(encoding="utf-8") == seen


def test_a_grown_load_is_told_in_commands_and_nothing_is_promised_of_an_slo() -> None:
    """Each row with its load; what was not tried is called an estimate, and an SLO is left open."""
    run = searched("size")
    (said,) = run.recommendations
    evidence: dict[str, Any] = {**said.evidence, "slo": ["response.p99 < 5.00 ms"]}
    kept = said.model_copy(update={"evidence": evidence})
    seen = shown(size_document(run.model_copy(update={"recommendations": [kept]}), path=None))
    rows = [line.split() for line in seen.splitlines() if " times " in line and "/s" in line]
    assert ["1.25", "1.4", "1.5", "2"] == [row[0] for row in rows]
    assert "Whether response.p99 < 5.00 ms is kept then was not looked at" in seen
    assert "was not looked at" not in shown(size_document(run, path=None))


@pytest.mark.parametrize(("pool", "fate"), [("blocking", "wait"), ("raising", "fail")])
def test_a_rule_whose_size_was_tried_costs_what_was_seen(pool: str, fate: str) -> None:
    """The share that would find none free, what becomes of them, and which test it failed."""
    run = searched("size")
    (said,) = run.recommendations
    known: Any = said.evidence
    walk = [{**known["walk"][0], "pool": pool, "max_connections": 5}]
    rule = {"name": "a rule", "max_connections": 5, "extra": -2, "waiting": 0.017}
    kept = said.model_copy(update={"evidence": {**known, "walk": walk, "rules": [rule]}})
    seen = shown(size_document(run.model_copy(update={"recommendations": [kept]}), path=None), 200)
    assert f"1.7 % of acquires would find none free and {fate}; tried, one in a hundred" in seen


def test_a_search_is_told_from_a_run() -> None:
    """By what its recommendation rests on."""
    assert is_search(searched("size"))
    assert not is_search(run_file(recommendations=[recommendation()]))


def test_the_summary_is_the_recommendation_alone() -> None:
    """One callout, with the size in its title."""
    assert "max_connections = 7" in shown(size_summary(searched("size")))


def test_evidence_that_is_missing_is_left_out() -> None:
    """A file of another version still shows its recommendation and what was tried."""
    run = searched("size")
    (said,) = run.recommendations
    kept = {key: said.evidence[key] for key in ("walk", "base", "trials", "sweep_trials")}
    poor = said.model_copy(update={"evidence": kept})
    seen = shown(size_document(run.model_copy(update={"recommendations": [poor]}), path=None))
    assert "Sizes tried" in seen
    assert "Ready to paste" in seen


@pytest.mark.parametrize("cluster", [False, True])
@pytest.mark.parametrize("pool", [Pool.RAISING, Pool.BLOCKING, Pool.FAIR])
def test_what_is_pasted_is_python(pool: Pool, cluster: bool) -> None:
    """Every snippet parses, and names the size; only pools that wait have a timeout."""
    snippets = list(pool_snippets(pool, 9, timeout_ns=20 * SECOND, cluster=cluster))
    assert snippets
    for snippet in snippets:
        text = "\n".join(snippet.lines)
        ast.parse(text)
        assert "9" in text
        assert ("timeout" in text) == (
            pool is not Pool.RAISING and "max_connections=9" in text
        ) or ("CACHES" in text or "app.conf" in text)


def _pasted_queue() -> Any:  # noqa: ANN401 - it exists nowhere but in the text
    """Give the queue that stands in the first snippet, as who pastes it gets it."""
    first = next(fair_snippets(2, timeout_ns=None))
    names: dict[str, Any] = {}
    text = "\n".join(line for line in first.lines if not line.startswith(("pool =", "client =")))
    exec(text, names)  # noqa: S102 - our own text, as people run it
    return names["FairQueue"](2)


def test_a_cure_that_worked_is_there_to_paste() -> None:
    """Where serving in order was measured to do, the report gives the queue that does it."""
    run = searched("size")
    (said,) = run.recommendations
    known: Any = said.evidence
    row = dict(known["walk"][0])
    for failed, there in ((None, True), ({"said": "it waited"}, False)):
        evidence = {**known, "cure": row | {"pool": "fair", "failed": failed}}
        cured = run.model_copy(
            update={"recommendations": [said.model_copy(update={"evidence": evidence})]}
        )
        seen = shown(size_document(cured, path=None))
        assert there == ("queue_class=FairQueue" in seen)
        assert there == ("asyncio.Semaphore" in seen)


def test_a_cluster_is_given_a_size_for_each_node() -> None:
    """Other clients' pools are of no use there."""
    run = searched("size")
    (case, *others) = run.cases
    cluster = run.model_copy(update={"cases": [case.model_copy(update={"nodes": []}), *others]})
    seen = shown(size_document(cluster, path=None))
    assert "for each process and node" in seen
    assert "RedisCluster" in seen
    assert "Celery" not in seen


def test_the_queue_to_paste_serves_in_order() -> None:
    """Who waits first gets the first connection back, however late the other asks."""
    line, served = _pasted_queue(), list[str]()
    asking = [Thread(target=lambda name=name: served.append(name + line.get())) for name in "ab"]
    for number, thread in enumerate(asking, 1):
        thread.start()
        while len(line.waiters) < number:
            sleep(0)
    line.put_nowait("1")
    asking[0].join()
    line.put_nowait("2")
    asking[1].join()
    assert ["a1", "b2"] == served


def test_the_queue_to_paste_is_a_queue() -> None:
    """Last in, first out; full and empty as redis-py expects, and no place left to who gave up."""
    line = _pasted_queue()
    line.put_nowait("1")
    line.put_nowait("2")
    with pytest.raises(queue.Full):
        line.put_nowait("3")
    assert ["2", "1"] == [line.get(), line.get(block=False)]
    with pytest.raises(queue.Empty):
        line.get(block=False)
    with pytest.raises(queue.Empty):
        line.get(timeout=0.001)
    assert not line.waiters


def test_no_timeout_is_none() -> None:
    """A pool that waits for ever says so in Python's words."""
    texts = [each.lines[0] for each in pool_snippets(Pool.BLOCKING, 9, timeout_ns=None)]
    assert "timeout=None" in texts[0]


def test_what_is_pasted_is_never_broken() -> None:
    """Lines of a snippet stay whole on a narrow terminal."""
    document = size_document(searched("size"), path=None)
    lines = shown(document, 60).splitlines()
    for block in document.blocks:
        if isinstance(block, Snippet):
            assert all(any(line in seen for seen in lines) for line in block.lines)
