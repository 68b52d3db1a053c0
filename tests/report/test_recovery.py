"""The report says how the load came back after its server was disturbed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.disturbances import USUAL, WINDOW, course, disturbed
from tests.report.examples import shown
from tests.runs import case_record, run_file
from valkeybench.report.document import Heading, Paragraph, Table
from valkeybench.report.markdown import markdown
from valkeybench.report.recovery import recovery_blocks
from valkeybench.report.run import run_document
from valkeybench.results.recovered import Disturbance
from valkeybench.scenario.disturbance import Deed
from valkeybench.scenario.disturbance import Disturbance as Asked
from valkeybench.scenario.model import Driver
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord

BACK = [course((SECOND, SECOND + ms * MILLISECOND)) for ms in (200, 300, 400)]
GONE = course((SECOND, WINDOW))
BARE: dict[str, Any] = {"driver": Driver.WIRE, "id": "bare"}
STORM: dict[str, Any] = {
    "driver": Driver.WIRE,
    "reconnect_within_ns": 0,
    "asked": Deed.KILL_CLIENTS,
}


def row(case: CaseRecord, number: int = 0) -> dict[str, str]:
    """Give the one row of a table, by column."""
    tables = [b for b in recovery_blocks([case], {case.id: "name"}) if isinstance(b, Table)]
    table = tables[number]
    [cells] = table.rows
    titles = [column.full_title for column in table.columns]
    return {t: c.text.replace("\xa0", " ") for t, c in zip(titles, cells, strict=True)}


def words(case: CaseRecord) -> str:
    """Give what is said below the tables."""
    blocks = recovery_blocks([case], {case.id: "name"})
    return "\n".join(block.text for block in blocks if isinstance(block, Paragraph))


def test_a_run_that_was_let_be_has_no_such_part() -> None:
    """There is nothing to say."""
    assert [] == list(recovery_blocks([case_record()], {}))
    assert "Recovery" not in shown(run_document(run_file(case_record()), path=None))


def test_a_case_has_one_row_with_its_failures_by_kind() -> None:
    """How long the server was away, the median and the range, the dip, the worst p99."""
    case = disturbed(BACK, failed={20: {"reset": 2, "connect_refused": 5}})
    assert {
        "case": "name",
        "away": "100 ms",
        "back after median": "300 ms",
        "back after range": "200 ms … 400 ms",
        "lowest": "0 %",
        "p99": "38.0 ms",
        "failed connect refused": "15",
        "failed reset": "6",
    } == row(case)
    assert "A restarted server has no keys" in words(case)


def test_what_did_not_come_back_is_said() -> None:
    """Not as a time, and with what would tell."""
    case = disturbed([BACK[0], GONE, GONE])
    assert ("not within", "200 ms … not within", "0") == (
        row(case)["back after median"],
        row(case)["back after range"],
        row(case)["failed"],
    )
    assert "name: throughput was not back within the window in 2 of 3 trials" in words(case)


def test_what_cannot_be_told_is_said() -> None:
    """With its reason, once for all trials."""
    case = disturbed([[0.0, 2 * USUAL] * 40] * 2)
    assert ("not known", "–") == (row(case)["back after median"], row(case)["back after range"])
    said = "name: not known of 2 of 2 trials, as throughput scattered by 100 %"
    assert 1 == words(case).count(said)


def test_less_than_an_interval_is_no_figure() -> None:
    """It is known to be shorter, and no more."""
    case = disturbed([course(), BACK[0], course()])
    assert ("< 50 ms", "< 50 ms … 200 ms") == (
        row(case)["back after median"],
        row(case)["back after range"],
    )


def storm(reconnected_ns: int | None) -> CaseRecord:
    """Make a case whose pool of four hundred was closed."""
    done = Disturbance(
        what="kill_clients",
        began_ns=SECOND,
        ended_ns=SECOND + MILLISECOND,
        killed=400,
        reconnected_ns=reconnected_ns,
    )
    case = disturbed([course()], done=done, **STORM)
    connections = case.summary.connections.model_copy(update={"reopening_failed": {"timeout": 3}})  # type: ignore[union-attr]
    summary = case.summary.model_copy(update={"connections": connections})  # type: ignore[union-attr]
    return case.model_copy(update={"summary": summary})


def test_a_storm_of_connections_has_a_table_of_its_own() -> None:
    """How many were closed, when all were open again, how many that is a second, what failed."""
    seen = row(storm(200 * MILLISECOND), 1)
    assert ("400", "200 ms", "timeout 3") == (
        seen["closed"],
        seen["all open after"],
        seen["in vain"],
    )
    assert "2 000 /s" == seen["per second"].replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "–" == row(storm(200 * MILLISECOND))["away"]
    assert "not within" == row(storm(None), 1)["all open after"]


def test_every_format_shows_it() -> None:
    """The terminal and Markdown have the heading and the figures."""
    document = run_document(run_file(disturbed(BACK), case_record("none")), path=None)
    for text in (shown(document), markdown(document)):
        assert "Recovery" in text
        assert "300 ms" in text


def test_what_a_disturbed_case_came_to_prices_nothing() -> None:
    """No cost of opening and no ceiling: they would mix before, meanwhile and after."""

    def told(**more: Any) -> set[str]:  # noqa: ANN401 - any wish for a case
        cases = case_record("none", **more), case_record(**more), case_record(**more | BARE)
        blocks = run_document(run_file(*cases), path=None).blocks
        return {block.text for block in blocks if isinstance(block, Heading)}

    parts = {"What opening a connection costs", "Without a client library"}
    assert parts == parts & told()
    assert set() == parts & told(disturb=Asked(Deed.RESTART))
