"""Pooled against unpooled, in sentences with the numbers of the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.report.examples import PATH, two_cases
from tests.runs import case_record, run_file
from valkeybench.analysis.cost import opening_cost
from valkeybench.measurement.metrics import Phase
from valkeybench.report.document import Document, Heading, Paragraph, Table
from valkeybench.report.run import run_document
from valkeybench.units import format_count, format_duration, format_percent

if TYPE_CHECKING:
    from valkeybench.report.document import Block
    from valkeybench.results.runfile import CaseRecord, RunFile


def said(run: RunFile) -> str:
    """Read the sentences about opening connections."""
    return " ".join(block.text for block in blocks(run) if isinstance(block, Paragraph))


def blocks(run: RunFile) -> list[Block]:
    """Find what stands under the heading about opening connections; nothing if it is not there."""
    document: Document = run_document(run, path=PATH)
    found: list[Block] = []
    heading = ""
    for block in document.blocks:
        if isinstance(block, Heading):
            heading = block.text
        elif heading == "What opening a connection costs":
            found.append(block)
    return found


def mean(case: CaseRecord, phase: Phase) -> float:
    """Give the mean of one phase of a case."""
    assert case.summary is not None
    return case.summary.phases[phase].mean_ns


def test_the_price_is_the_phases_of_the_unpooled_case() -> None:
    """Total, round trips and every phase of opening, and what the server refused of it."""
    run = two_cases()
    (cost,) = opening_cost(run.cases)
    unpooled = run.cases[0]

    assert (
        f"Under this load opening a connection took {format_duration(cost.total_ns)} and 5 round "
        f"trips (building objects {format_duration(mean(unpooled, Phase.CONSTRUCT))}, "
        f"connecting {format_duration(mean(unpooled, Phase.CONNECT))}, "
        f"handshake {format_duration(mean(unpooled, Phase.HANDSHAKE))}); "
        f"while the pool was filled, before the load, {format_duration(1_650_000)}. "
        "The server refused 1 of its 4 set-up commands."
    ) in said(run)


def test_who_paid_it_how_often() -> None:
    """The pool a few times before the load, the unpooled case for each command."""
    run = two_cases()
    unpooled = run.cases[0].summary
    assert unpooled is not None
    (cost,) = opening_cost(run.cases)
    assert cost.unpooled is not None

    assert (
        "The pool (blocking 10) paid it 30 times, 10 in each of 3 trials, before the load; "
        f"without a pool {format_count(unpooled.attempted)} commands paid it "
        f"{format_count(unpooled.connections.opened)} times: "
        f"{format_percent(cost.unpooled.opening_share)} of their time."
    ) in said(run)


def test_connections_opened_in_the_warm_up_are_nobodys_commands() -> None:
    """What the unpooled case opened before the window is not set against its commands."""
    run = run_file(
        case_record("none", repeats=1, throughput=100, duration_ms=1000, prewarmed=77),
        case_record("blocking", 10, repeats=1),
    )

    assert "100 commands paid it 100 times" in said(run)


def test_a_pool_that_opened_late_says_when() -> None:
    """Connections opened during the load are told apart from those before it."""
    late = run_file(case_record("blocking", 10, repeats=1, prewarmed=6, opened=4))
    only_late = run_file(
        case_record("none", repeats=1),
        case_record("blocking", 10, repeats=1, prewarmed=0, opened=9),
    )

    assert "(blocking 10) paid it 6 times, before the load and 4 times during it." in said(late)
    assert "(blocking 10) paid it 9 times, during the load;" in said(only_late)


def test_a_pool_leaves_the_command_as_it_is() -> None:
    """Where the command took about the same with and without, the sentence says just that."""
    run = two_cases()
    with_pool, without = (format_duration(mean(case, Phase.COMMAND)) for case in run.cases[::-1])

    assert (
        "A pool does not remove network latency: the command itself took "
        f"{with_pool} with it and {without} without."
    ) in said(run)


def test_a_busy_client_is_named_where_the_command_was_slower() -> None:
    """A slower command without a pool is put down to the client only if it was out of CPU."""
    slow = {"construct": 5.0, "connect": 5.0, "handshake": 5.0, "command": 3.0, "release": 0.1}

    def run(cpu: float) -> RunFile:
        return run_file(
            case_record("none", phases=slow, cpu_share=cpu, repeats=1),
            case_record("blocking", 10, repeats=1),
        )

    assert "where the client used 95 % of a core" in said(run(0.95))
    assert "of a core" not in said(run(0.5))
    assert "3.00 ms without" in said(run(0.5))


def test_the_ratios_are_of_the_record() -> None:
    """How many times as much the unpooled case took, at the median, at p99 and in CPU."""
    run = run_file(
        case_record("none", p99_ms=10, repeats=1, cpu_share=0.6, throughput=1000),
        case_record("blocking", 10, p99_ms=2, repeats=1, cpu_share=0.3, throughput=1000),
    )
    (ratio,) = opening_cost(run.cases)[0].ratios

    expected = f"No pool over blocking 10: median response {ratio.response_p50:.1f}×, p99 5.0×, "
    assert expected + "client CPU for each command 2.0×." in said(run)


def test_a_ratio_of_a_lower_bound_is_a_lower_bound() -> None:
    """Unfinished commands without a pool make it "at least"; with one, nothing can be said."""
    usual: dict[str, Any] = {"repeats": 1, "duration_ms": 1000, "throughput": 1000}
    below = run_file(
        case_record("none", **usual, unfinished=30), case_record("blocking", 10, **usual)
    )
    above = run_file(
        case_record("none", **usual), case_record("blocking", 10, **usual, unfinished=30)
    )

    assert "p99 at least " in said(below)
    assert "p99" not in said(above)


def test_cases_that_mostly_failed_are_not_compared() -> None:
    """Latency and CPU beside many failures are another thing's."""
    run = run_file(
        case_record("none", repeats=1),
        case_record("raising", 2, repeats=1, failures={"pool_exhausted": 900}),
    )

    assert "A pool does not remove" in said(run)
    assert "No pool over" not in said(run)


def test_without_an_unpooled_case_the_price_is_that_of_filling() -> None:
    """There is nothing to compare with, and it says what the price was measured on."""
    text = said(run_file(case_record("blocking", 10, repeats=1)))

    assert text.startswith("While the pool was filled, before the load, opening a connection took")
    assert "without" not in text


def test_without_a_pool_there_is_nobody_to_compare_with() -> None:
    """The unpooled case alone says what it paid."""
    text = said(run_file(case_record("none", repeats=1, throughput=100, duration_ms=1000)))

    assert "Without a pool 100 commands paid it 100 times: " in text
    assert "The pool" not in text


def test_several_loads_get_a_row_each() -> None:
    """Sentences are for one load; several are a table, without columns nobody fills."""
    pooled = [case_record("blocking", 10, concurrency=n, repeats=1) for n in (10, 50)]
    unpooled = [case_record("none", concurrency=n, repeats=1, p99_ms=8) for n in (10, 50)]
    (both,) = blocks(run_file(*pooled, *unpooled))
    (only_pooled,) = blocks(run_file(*pooled))

    assert isinstance(both, Table)
    assert isinstance(only_pooled, Table)
    assert ["10 handlers", "50 handlers"] == [row[0].text for row in both.rows]
    assert ["10", "10"] == [row[2].text for row in both.rows]
    assert all(row[-1].text.endswith("×") for row in both.rows)
    assert ["load", "opening takes", "opened pooled"] == [
        column.full_title for column in only_pooled.columns
    ]


def test_without_any_opening_there_is_no_section() -> None:
    """Nothing timed, nothing said."""
    assert [] == blocks(run_file(case_record("blocking", 10, repeats=1, prewarmed=0)))


def test_set_up_that_was_not_counted_is_not_told() -> None:
    """Without a count of set-up commands there are no round trips and nothing refused."""
    text = said(run_file(case_record("none", setup_round_trips=None, repeats=1)))

    assert "round trips" not in text
    assert "refused" not in text


def test_a_command_that_never_completed_is_not_compared() -> None:
    """Where the pool's commands all failed there is nothing to set against."""
    run = run_file(
        case_record("none", repeats=1),
        case_record("raising", 1, repeats=1, throughput=0, failures={"reset": 9}),
    )

    assert "network latency" not in said(run)


def test_what_cannot_be_compared_is_a_dash_in_its_row() -> None:
    """A pool's lower bound and mostly failed cases give no ratio; an open unpooled tail a bound."""
    usual: dict[str, Any] = {"repeats": 1, "duration_ms": 1000, "throughput": 1000}
    wishes: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({"unfinished": 30}, {}),
        ({}, {"unfinished": 30}),
        ({"failures": {"reset": 300}}, {}),
    ]
    cases = [
        case_record(pool, 10, concurrency=10 + i, **usual, **wish)
        for i, pair in enumerate(wishes)
        for pool, wish in zip(("none", "blocking"), pair, strict=True)
    ]
    run = run_file(*cases, case_record("blocking", 10, concurrency=99, **usual))
    (table,) = blocks(run)
    known = [cost.ratios[0].response_p99 for cost in opening_cost(run.cases)[:2]]

    assert isinstance(table, Table)
    ratios = [row[-1].text for row in table.rows]
    assert [f"{known[0]:.1f}×", f"≥{known[1]:.1f}×", "–", "–", "–"] == ratios
