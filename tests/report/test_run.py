"""What the report of a run says, block by block."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests.report.examples import (
    ENVIRONMENT,
    PATH,
    SERVER,
    recommendation,
    shown,
    sweep,
    tls,
    troubled,
    two_cases,
    with_memory,
)
from tests.runs import case_record, run_file
from valkeybench.analysis.health import health
from valkeybench.analysis.sizing import recommend
from valkeybench.errors import ResultError
from valkeybench.measurement.metrics import PARTS, Phase
from valkeybench.report.document import (
    Bars,
    Block,
    Callout,
    Command,
    Document,
    Heading,
    Histogram,
    KeyValues,
    Kind,
    Paragraph,
    Table,
    Tone,
)
from valkeybench.report.run import run_document
from valkeybench.results.runfile import DataSet, RunFile, RunWarning
from valkeybench.scenario.library import seed_paths
from valkeybench.scenario.model import Case, Client, Driver, EventLoop, Scenario, plain
from valkeybench.scenario.reader import parse_toml, read_scenario
from valkeybench.units import (
    format_bytes,
    format_count,
    format_duration,
    format_percent,
    format_rate,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.results.runfile import CaseRecord

B = TypeVar("B", bound=Block)


def report(run: RunFile) -> Document:
    """Build the report of a run that was kept."""
    return run_document(run, path=PATH)


def section(document: Document, heading: str) -> list[Block]:
    """Find what stands under a heading."""
    titles = [b.text if isinstance(b, Heading) else None for b in document.blocks]
    start = titles.index(heading) + 1
    rest = document.blocks[start:]
    ends = [i for i, block in enumerate(rest) if isinstance(block, Heading)]
    return list(rest[: ends[0]] if ends else rest)


def only(blocks: Sequence[Block], kind: type[B]) -> B:
    """Find the one block of its kind."""
    found = [block for block in blocks if isinstance(block, kind)]
    assert 1 == len(found)
    return found[0]


def cells(table: Table) -> dict[str, dict[str, str]]:
    """Read a table: row name to column name to text."""
    names = [column.full_title for column in table.columns]
    return {
        row[0].text: dict(zip(names, (cell.text for cell in row), strict=True))
        for row in table.rows
    }


def results(run: RunFile) -> dict[str, dict[str, str]]:
    """Read the results table of a run, and beside it what went wrong."""
    outcome, *troubles = (b for b in section(report(run), "Results") if isinstance(b, Table))
    rows = cells(outcome)
    for table in troubles:
        for name, row in cells(table).items():
            rows[name] |= row
    return rows


def one(case: CaseRecord) -> dict[str, str]:
    """Read the results row of a lone case."""
    (row,) = results(run_file(case)).values()
    return row


# --- the title ---


def test_the_title_names_scenario_server_client_and_load() -> None:
    """The first lines say what was asked, with what it was measured, and how much."""
    run = two_cases()
    run = run.model_copy(
        update={"scenario": {**run.scenario, "name": "checkout", "title": "Reads of a shop"}}
    )
    title, who, what = report(run).blocks[:3]

    assert Heading(text="Reads of a shop (checkout)", level=1) == title
    assert isinstance(who, Paragraph)
    assert isinstance(what, Paragraph)
    assert (
        "Valkey 9.1.2 · our own on loopback · no TLS · "
        "redis-py 8.1.0, hiredis 3.2.0, CPython 3.11.7"
    ) == who.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "2 cases · 3 repeats × 3 s · 50 handlers, think 10ms, GET key:{0..9999}" == what.text


def test_the_title_names_the_libraries_that_asked() -> None:
    """Those that did not are left out, even if they are installed."""
    axes: dict[str, Any] = {"driver": Driver.ASYNCIO, "event_loop": EventLoop.UVLOOP}
    packages = {"redis": "8.1.0", "valkey": "6.2.0", "uvloop": "0.23.0"}
    environment = {**ENVIRONMENT, "packages": packages}
    for case, named in (
        (case_record(client=Client.VALKEY_PY), "valkey-py 6.2.0, CPython 3.11.7"),
        (case_record(**axes), "redis-py 8.1.0, uvloop 0.23.0, CPython 3.11.7"),
        (case_record(), "redis-py 8.1.0, CPython 3.11.7"),
    ):
        who = report(run_file(case, environment=environment)).blocks[1]
        assert isinstance(who, Paragraph)
        assert named == who.text.replace("\N{NO-BREAK SPACE}", " ").rpartition(" · ")[2]


def test_a_server_somewhere_else_is_named_with_its_address() -> None:
    """TLS, cluster mode and the address of a server that is not ours are in the title."""
    run = two_cases()
    server = {**SERVER, "tls": True, "mode": "cluster", "flavour": "redis"}
    run = run.model_copy(
        update={
            "environment": {
                **ENVIRONMENT,
                "server": {**server, "address": "valkeys://cache.example:6390/0"},
            },
            "scenario": {
                **run.scenario,
                "server": {"url": "valkeys://cache.example:6390/0"},
            },
            "cases": [
                case.model_copy(update={"axes": {**case.axes, "tls": True}}) for case in run.cases
            ],
        }
    )
    who = report(run).blocks[1]

    assert isinstance(who, Paragraph)
    text = who.text.replace("\N{NO-BREAK SPACE}", " ")
    assert text.startswith("Redis 9.1.2 cluster · at valkeys://cache.example:6390/0 · TLS · ")


def test_a_file_that_knows_little_still_makes_a_report() -> None:
    """Environment and scenario may hold nothing we know."""
    run = two_cases().model_copy(update={"environment": {}, "scenario": {}})

    assert Heading(text="An ad-hoc run", level=1) == report(run).blocks[0]


@pytest.mark.parametrize(("status", "kind"), [("interrupted", Kind.WARNING), ("failed", Kind.BAD)])
def test_a_run_that_is_not_whole_says_so_first(status: str, kind: Kind) -> None:
    """Before any number stands how many trials there are."""
    run = run_file(
        case_record("none", repeats=3), case_record("blocking", repeats=2), status=status
    )
    callout = report(run).blocks[3]

    assert isinstance(callout, Callout)
    assert kind is callout.kind
    assert "It finished 5 of 6 trials; the numbers are theirs." == callout.text


# --- the results ---


def test_every_number_of_a_row_is_the_records_own() -> None:
    """Throughput, percentiles and failures are those of the case's summary, formatted."""
    run = two_cases()
    for case, row in zip(run.cases, results(run).values(), strict=True):
        assert case.summary is not None
        response = case.summary.phases["response"]
        assert {
            "case": row["case"],
            "throughput": format_rate(case.summary.throughput),
            "response p50": format_duration(response.p50_ns),
            "response p90": format_duration(response.p90_ns),
            "response p99": format_duration(response.p99_ns),
            "response p99.9": format_duration(response.p999_ns),
            "response max": format_duration(response.max_ns),
        } == row


def test_what_the_table_says_the_terminal_shows() -> None:
    """Every cell of every table is in the text, where there is room for all columns."""
    for run in (two_cases(), troubled(), sweep(), tls()):
        document = report(run)
        text = shown(document, 160)
        lines = [line.split("  ") for line in text.splitlines()]
        for table in (block for block in document.blocks if isinstance(block, Table)):
            for row in table.rows:
                texts = [cell.text for cell in row]
                assert texts in [[part.strip() for part in line if part] for line in lines]


def test_too_few_samples_make_a_percentile_a_hint() -> None:
    """With fewer than ten samples beyond it, a percentile is marked and shown quietly."""
    few = one(case_record("blocking", repeats=1, throughput=333))
    enough = one(case_record("blocking", repeats=1, throughput=334))

    assert few["response p99"].startswith("~")
    assert not enough["response p99"].startswith("~")
    assert enough["response p99.9"].startswith("~")

    table = only(section(report(sweep()), "Results"), Table)
    hints = [cell for row in table.rows for cell in row if cell.text.startswith("~")]
    assert {Tone.QUIET} == {cell.tone for cell in hints}


@pytest.mark.parametrize(("unfinished", "bound"), [(100, False), (102, True)])
def test_unfinished_commands_make_a_percentile_a_lower_bound(
    *, unfinished: int, bound: bool
) -> None:
    """More than 1 % of unfinished commands make p99 "at least"; the median stays as it is."""
    row = one(
        case_record(
            "blocking", repeats=1, duration_ms=1000, throughput=10_000, unfinished=unfinished
        )
    )

    assert bound == row["response p99"].startswith("≥")
    assert row["response p99.9"].startswith("≥")
    assert row["response max"].startswith("≥")
    assert not row["response p50"].startswith("≥")
    assert (str(unfinished) if bound else None) == row.get("unfinished")


def test_commands_that_were_never_sent_make_a_percentile_a_lower_bound() -> None:
    """They would have been the slowest of all, and are no samples."""
    row = one(case_record("blocking", repeats=1, rate=10_000.0, throughput=9_000, dropped=3_000))
    assert row["response p99"].startswith("≥")
    assert not row["response p50"].startswith("≥")


def test_failures_stand_beside_with_their_kind() -> None:
    """The count stands in the row; notes say of each kind how often, where, and what it means."""
    run = troubled()
    rows = results(run)

    assert "369" == rows["no pool"]["failed"]
    assert "36" == rows["blocking 2"]["failed"]
    assert format_count(36_000) == rows["raising 2"]["failed"]
    _, table = section(report(run), "Results")
    assert isinstance(table, Table)
    notes = [note.text for note in table.notes]
    for kind, where in {
        "max clients": "360 in no pool",
        "timeout": "9 in no pool",
        "pool timeout": "36 in blocking 2",
        "pool exhausted": f"{format_count(36_000)} in raising 2",
    }.items():
        assert 1 == sum(note.startswith(f"{kind} ({where}): ") for note in notes)


def test_starved_handlers_are_in_their_row() -> None:
    """A case that starved handlers says how many of how many."""
    rows = results(troubled())

    assert "40 of 50" == rows["blocking 2"]["starved"]
    assert "0" == rows["raising 2"]["starved"]
    assert "starved" not in results(two_cases())["blocking 10"]


def test_what_went_wrong_is_told_of_those_cases_alone() -> None:
    """The others are said to be well; where all are, one line says that nothing failed."""
    bad = case_record("raising", 2, failures={"pool_exhausted": 5}, unfinished=3)
    table, troubles = section(report(run_file(case_record("none"), bad)), "Results")
    (alone,) = section(report(two_cases()), "Results")

    assert isinstance(table, Table)
    assert isinstance(troubles, Table)
    assert isinstance(alone, Table)
    assert ["raising 2"] == [row[0].text for row in troubles.rows]
    assert bad.summary is not None
    assert format_count(bad.summary.attempted) == cells(troubles)["raising 2"]["attempted"]
    assert "15" == cells(troubles)["raising 2"]["failed"]
    assert "Nothing of the kind in any other case." == troubles.notes[-1].text
    assert "No command failed." == alone.notes[-1].text
    assert "No command failed." not in [note.text for note in table.notes]


def test_nothing_of_the_kind_is_said_of_none_that_had_it() -> None:
    """Where unfinished commands have a column, a case with few of them is in it as well."""
    run = run_file(
        case_record("none", unfinished=40, duration_ms=500),
        case_record("blocking", unfinished=1),
        case_record("fair"),
    )
    _, troubles = section(report(run), "Results")

    assert isinstance(troubles, Table)
    assert ["no pool", "blocking 10"] == [row[0].text for row in troubles.rows]


def scenario_run(name: str, **wishes: Any) -> RunFile:  # noqa: ANN401 - every field of a record
    """Make a run of all cases of a scenario that ships, as healthy as wished."""
    path = seed_paths()[name]
    scenario = read_scenario(parse_toml(path.read_text(encoding="utf-8"), source=name), name=name)
    return run_file(
        *(
            case_record(
                **{axis.name: getattr(case, axis.name) for axis in fields(Case)}
                | {"think": str(case.think), "repeats": 1, "duration_ms": 500, **wishes}
            )
            for case in scenario.cases()
        )
    )


TROUBLED: dict[str, Any] = {
    "starved": 2,
    "unfinished": 40,
    "failures": {"pool_timeout": 12_000, "timeout": 345},
    "retried": 4,
    "p99_ms": 123,
}
POLICIES = ("raising", "blocking", "fair")


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize(
    "run",
    [
        troubled(),
        run_file(
            case_record("none", **TROUBLED),
            *(case_record(pool, 10, **TROUBLED) for pool in POLICIES),
        ),
        *(scenario_run(name) for name in ("undersized", "tls-on-off", "network-latency")),
        *(
            scenario_run(name, **TROUBLED)
            for name in ("undersized", "tls-on-off", "network-latency", "max-connections")
        ),
    ],
)
def test_at_80_columns_every_percentile_and_every_failure_is_shown(
    run: RunFile, *, colour: bool
) -> None:
    """Names of rows take a second line before any number goes."""
    console: dict[str, Any] = (
        {"force_terminal": True, "color_system": "truecolor"} if colour else {}
    )
    text = shown(report(run), 80, **console)
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = text[text.index("Results") : text.index("Where the time went")]

    assert "Not shown" not in text
    lines = text.splitlines()
    assert 80 >= max(map(len, lines))
    split = [[part.strip() for part in line.split("  ") if part] for line in lines]
    for table in (b for b in section(report(run), "Results") if isinstance(b, Table)):
        for row in table.rows:
            values = [cell.text for cell in row[1:]]
            assert any(values == line[-len(values) :] for line in split), values


def test_few_unfinished_commands_are_a_note() -> None:
    """Too few for a column, they are still told: how many, and where most of them are."""
    one_case = run_file(case_record("none", unfinished=2, repeats=1), case_record(repeats=1))
    both = run_file(
        case_record("none", unfinished=2, repeats=1), case_record(unfinished=1, repeats=1)
    )
    told = [
        note.text.removeprefix("Unfinished when the window closed, counted at their age: ")
        for run in (one_case, both)
        for note in only(section(report(run), "Results"), Table).notes
        if note.text.startswith("Unfinished")
    ]

    assert ["2 (no pool).", "3, most of them no pool."] == told


def test_a_case_without_trials_has_no_numbers() -> None:
    """What was not measured is a dash, never a zero."""
    row = results(troubled())["fair 2"]

    assert {"–"} == set(row.values()) - {"fair 2"}
    assert "failed" not in row


def test_a_case_in_which_everything_failed_has_no_latency() -> None:
    """Without a completed command there is no percentile and no bar."""
    case = case_record(
        "raising", 1, throughput=0, repeats=1, phases={"command": 1}, failures={"reset": 5}
    )
    run = run_file(case)

    assert "–" == results(run)["raising 1"]["response p99"]
    assert "5" == results(run)["raising 1"]["failed"]
    assert not [b for b in report(run).blocks if isinstance(b, Bars | Histogram)]


# --- where the time went ---


def test_a_run_in_which_everything_failed_measured_nothing() -> None:
    """It is said first of what to make of it; one case with a reply is something."""
    failing = case_record("none", throughput=0, failures={"reply_error": 39}, repeats=1)
    said = section(report(run_file(failing)), "What to make of it")[0]
    assert isinstance(said, Callout)
    assert (Kind.BAD, "Nothing was measured") == (said.kind, said.title)
    assert said.text.startswith("Of 39 commands not one completed, and 39 failed")
    some = report(run_file(failing, case_record("blocking"))).blocks
    assert "Nothing was measured" not in [b.title for b in some if isinstance(b, Callout)]


def test_the_bars_are_the_phases() -> None:
    """Each segment is a phase's mean per command and its share of the service time."""
    run = tls()
    bars = only(section(report(run), "Where the time went"), Bars)

    assert ["no pool", "blocking 10"] == [bar.label for bar in bars.bars]
    for case, bar in zip(run.cases, bars.bars, strict=True):
        assert case.summary is not None
        phases = case.summary.phases
        assert format_duration(phases[Phase.SERVICE].mean_ns) == bar.total
        assert [part for part in PARTS if part in phases] == [s.phase for s in bar.segments]
        for segment in bar.segments:
            mean = phases[segment.phase].mean_ns
            assert format_duration(mean) == segment.value
            assert mean / phases[Phase.SERVICE].mean_ns == pytest.approx(segment.share)
            assert format_percent(segment.share) == segment.share_text
        assert 1 == pytest.approx(sum(segment.share for segment in bar.segments), abs=1e-3)


def test_a_phase_only_some_commands_went_through_counts_for_all() -> None:
    """The mean of a rare phase is spread over every command: means add up to the service."""
    case = case_record("blocking", 10, repeats=1)
    assert case.summary is not None
    service = case.summary.phases["service"]
    rare = service.model_copy(update={"count": service.count // 10, "mean_ns": 1000.0})
    phases = {**case.summary.phases, "connect": rare}
    case = case.model_copy(update={"summary": case.summary.model_copy(update={"phases": phases})})

    bars = only(section(report(run_file(case)), "Where the time went"), Bars)

    (connect,) = [s for s in bars.bars[0].segments if s.phase is Phase.CONNECT]
    assert format_duration(1000 * (service.count // 10) / service.count) == connect.value


@pytest.mark.parametrize(("cases", "block"), [(6, Bars), (7, Table)])
def test_many_cases_get_a_table_of_shares(cases: int, block: type[Block]) -> None:
    """Six cases get bars, seven a row each; no case is lost."""
    run = run_file(
        *(case_record("blocking", n, repeats=1, duration_ms=50) for n in range(1, cases + 1))
    )
    (found,) = section(report(run), "Where the time went")

    assert block is type(found)
    assert isinstance(found, Bars | Table)
    assert cases == len(found.bars if isinstance(found, Bars) else found.rows)


def test_fifty_cases_stay_readable() -> None:
    """A large sweep is tables with a row for each case, at 80 columns as well."""
    run = run_file(
        *(
            case_record("blocking", size, concurrency=handlers, repeats=1, duration_ms=20)
            for size in range(1, 11)
            for handlers in (10, 20, 30, 40, 50)
        )
    )
    lines = shown(report(run), 80).splitlines()

    assert 4 * 50 <= len([line for line in lines if line.startswith("  blocking ")])
    assert 7 * 50 > len(lines)


# --- connections ---


def test_both_ends_count_of_connections_is_shown() -> None:
    """What the client opened, what the server counted, and whether they agree."""
    blocks = section(report(two_cases()), "Connections")
    rows = cells(only(blocks, Table))

    assert "30" == rows["blocking 10"]["opened client"]
    assert "30" == rows["blocking 10"]["opened server"]
    total = format_count(28_800 + 30)
    confirmed = f"Confirmed by the server's own counter: {total} of {total} connections."
    assert confirmed == only(blocks, Paragraph).text


def test_a_disagreement_about_connections_is_not_hidden() -> None:
    """The case is named with both counts, and nothing is called confirmed."""
    paragraph = only(section(report(troubled()), "Connections"), Paragraph)

    assert "The server's own counter says otherwise: blocking 2, 15 instead of 6." == paragraph.text
    assert Tone.WARNING is paragraph.tone


def test_a_server_that_says_nothing_confirms_nothing() -> None:
    """Without the server's counter there is a dash and no sentence."""
    blocks = section(report(run_file(case_record("none", server=False))), "Connections")

    assert "–" == cells(only(blocks, Table))["no pool"]["opened server"]
    assert not [block for block in blocks if isinstance(block, Paragraph)]


def test_memory_of_a_connection_is_what_the_pool_added() -> None:
    """used_memory with the pool open, less before, over the connections opened then."""
    case = with_memory(case_record("blocking", 10), bytes_each=17_200)
    table = only(section(report(run_file(case)), "Connections"), Table)

    assert format_bytes(17_200) == cells(table)["blocking 10"]["memory each"]


@pytest.mark.parametrize("bytes_each", [0, -100])
def test_memory_that_did_not_grow_is_not_reported(bytes_each: int) -> None:
    """No column rather than a nonsense number."""
    case = with_memory(case_record("blocking", 10), bytes_each=bytes_each)
    table = only(section(report(run_file(case)), "Connections"), Table)

    assert "memory each" not in cells(table)["blocking 10"]


def test_what_was_turned_away_is_part_of_what_is_confirmed() -> None:
    """By which counter each was counted is said, whether they agree with ours or not."""
    agreeing = case_record("blocking", 10, rejected=4)
    paragraph = only(section(report(run_file(agreeing)), "Connections"), Paragraph)
    assert Tone.PLAIN is paragraph.tone
    assert (
        "Confirmed by the server's own counters: 18 received (total_connections_received) and "
        "12 turned away (rejected_connections) of 30 connections."
    ) == paragraph.text

    differing = case_record("blocking", 10, rejected=4, connections_counted=10)
    paragraph = only(section(report(run_file(differing)), "Connections"), Paragraph)
    assert Tone.WARNING is paragraph.tone
    assert (
        "The server's own counters say otherwise: blocking 10, 30 received "
        "(total_connections_received) and 12 turned away (rejected_connections) instead of 30."
    ) == paragraph.text


def test_rejected_connections_have_a_column_when_there_are_any() -> None:
    """They are summed over the trials, and only shown where some case has them."""
    run = run_file(case_record("none", rejected=4, repeats=2), case_record("blocking", repeats=2))
    rows = cells(only(section(report(run), "Connections"), Table))

    assert ["8", "0"] == [row["rejected"] for row in rows.values()]
    assert "rejected" not in cells(only(section(report(two_cases()), "Connections"), Table))


def test_cpu_is_of_the_record() -> None:
    """Shares are averaged over the trials; CPU for a command is the client's."""
    case = case_record("blocking", 10, cpu_share=[0.2, 0.4], server_cpu_share=[0.1, 0.3], repeats=2)
    row = cells(only(section(report(run_file(case)), "Connections"), Table))["blocking 10"]

    assert case.summary is not None
    cpu = sum(trial.client.cpu_ns for trial in case.trials)
    assert ("30 %", "20 %") == (row["CPU client"], row["CPU server"])
    assert format_duration(cpu / case.summary.completed) == row["CPU per command"]


def test_in_use_is_one_line_a_case() -> None:
    """The distribution handlers met, beside the size of the pool."""
    run = two_cases()
    (block,) = section(report(run), "Connections in use when a handler asked for one")

    in_use = run.cases[1].summary.in_use if run.cases[1].summary else None
    assert in_use is not None
    line = f"mean {in_use.mean:.1f}, p99 {in_use.p99}, p99.9 {in_use.p999}, max {in_use.max} of 10"
    line += ": the pool was no limit"
    assert KeyValues(pairs=(("blocking 10", line),)) == block


def test_in_use_of_several_processes_is_that_of_each() -> None:
    """Every process has a pool of its own, and the line says so."""
    case = case_record("blocking", 10, processes=2, repeats=1)
    (block,) = section(report(run_file(case)), "Connections in use when a handler asked for one")

    assert isinstance(block, KeyValues)
    assert block.pairs[0][1].endswith(" of 10 in each process: the pool was no limit")


@pytest.mark.parametrize("many", [False, True])
def test_every_pooled_case_says_whether_its_pool_was_the_limit(*, many: bool) -> None:
    """In words or in a table: a need is read only where the pool did not hide it."""
    free = [case_record("blocking", n, repeats=1, duration_ms=50) for n in (40, *range(41, 47))]
    bound = [
        case_record("blocking", 2, repeats=1, duration_ms=50, in_use=[1, 1, 1]),
        case_record("blocking", 3, repeats=1, throughput=0, unfinished=50),
    ]
    cases = [case_record("none", repeats=1, duration_ms=50), *bound, *free[: 7 if many else 1]]
    (block,) = section(report(run_file(*cases)), "Connections in use when a handler asked for one")

    if isinstance(block, KeyValues):
        said = {name: line.partition(": ")[2] for name, line in block.pairs}
        limit, none = "the pool was the limit", "the pool was no limit"
    else:
        assert isinstance(block, Table)
        said = {name: row["pool was the limit"] for name, row in cells(block).items()}
        limit, none = "yes", "no"
    assert many == isinstance(block, Table)
    assert {"blocking 2": limit, "blocking 3": limit, "blocking 40": none} == {
        name: said[name] for name in ("blocking 2", "blocking 3", "blocking 40")
    }
    assert len(cases) - 1 == len(said)


@pytest.mark.parametrize("shares", [[0.2, 0.99, 0.95], [0.99, 0.91, 0.2]])
def test_cpu_in_a_table_is_the_figure_of_the_warning(shares: list[float]) -> None:
    """One definition, the median trial, wherever a CPU share is written."""
    case = case_record("blocking", 10, cpu_share=shares, server_cpu_share=shares)
    run = run_file(case, warnings=health([case]))
    row = cells(only(section(report(run), "Connections"), Table))["blocking 10"]

    messages = {warning.code: warning.message for warning in run.warnings}
    assert f"used {row['CPU client']} of a core" in messages["client_saturated"]
    assert f"busy {row['CPU server']} of the time" in messages["server_saturated"]


# --- response times ---


def test_the_histogram_holds_every_response() -> None:
    """The bins of both cases add up to the responses of all trials."""
    run = two_cases()
    histogram = only(section(report(run), "Response times"), Histogram)

    assert len(histogram.starts) <= 12
    for case, series in zip(run.cases, histogram.series, strict=True):
        assert case.summary is not None
        assert case.summary.phases["response"].count == sum(series.counts)
        assert tuple(map(format_count, series.counts)) == series.texts


def test_of_many_cases_the_best_pooled_one_is_drawn_beside_the_unpooled() -> None:
    """Best is the lowest p99 among pooled cases that neither starved nor failed."""
    run = run_file(
        case_record("none", repeats=1, duration_ms=500),
        case_record("blocking", 1, repeats=1, duration_ms=500, p99_ms=1, starved=30),
        case_record("blocking", 5, repeats=1, duration_ms=500, p99_ms=2, failures={"reset": 1}),
        case_record("blocking", 10, repeats=1, duration_ms=500, p99_ms=4),
        case_record("blocking", 20, repeats=1, duration_ms=500, p99_ms=5),
    )
    histogram = only(section(report(run), "Response times"), Histogram)

    assert ["no pool", "blocking 10"] == [series.label for series in histogram.series]
    said = only(section(report(run), "Response times"), Paragraph).text
    assert (
        "Of no pool and blocking 10 (the lowest p99 of all pools); those of 3 other cases are in "
        "the result file."
    ) == said
    assert not [
        b for b in section(report(two_cases()), "Response times") if isinstance(b, Paragraph)
    ]


def test_without_a_pooled_case_the_first_is_drawn() -> None:
    """Three unpooled cases are too many to draw, and none is the best pooled one."""
    run = run_file(*(case_record("none", concurrency=n, repeats=1) for n in (10, 20, 30)))
    histogram = only(section(report(run), "Response times"), Histogram)

    assert ["10 handlers"] == [series.label for series in histogram.series]


def test_a_histogram_that_cannot_be_read_is_an_error_of_the_file() -> None:
    """Damage is said, not drawn."""
    run = two_cases()
    trial = run.cases[0].trials[0]
    damaged = trial.model_copy(update={"histograms": {"response": "HISTFAAAAnonsense"}})
    case = run.cases[0].model_copy(update={"trials": [damaged]})

    with pytest.raises(ResultError):
        report(run.model_copy(update={"cases": [case]}))


# --- what to make of it ---


def warning(**changes: Any) -> RunWarning:  # noqa: ANN401 - every field of a record
    """Make a warning; every field can be another."""
    usual = {"code": "no_think", "message": "it saturates", "remedy": "think", "case": None}
    return RunWarning(**{**usual, **changes})


def verdict(run: RunFile) -> list[Callout]:
    """Read all that is to be made of a run."""
    return [b for b in section(report(run), "What to make of it") if isinstance(b, Callout)]


def test_warnings_keep_their_order_and_name_their_case() -> None:
    """The most important came first already; a case goes by the name it has in the tables."""
    run = run_file(
        case_record("none", id="x"),
        case_record("blocking", id="y"),
        warnings=[warning(code="b_b", case="y"), warning(code="a", message="p99 is odd")],
    )
    first, second = verdict(run)

    assert ("Warning: b b (blocking 10)", "Warning: a") == (first.title, second.title)
    assert ("It saturates.", "p99 is odd.") == (first.text, second.text)
    assert "Think." == first.remedy


def test_the_same_trouble_in_many_cases_is_told_once() -> None:
    """Of more than two like ones the first stands for all, and the cases are counted."""
    sizes = range(1, 8)
    run = run_file(
        *(case_record("blocking", n, id=f"m{n}", repeats=1, duration_ms=20) for n in sizes),
        warnings=[warning(message=f"m {n}", remedy=f"r {n}", case=f"m{n}") for n in sizes],
    )
    (callout,) = verdict(run)

    assert (
        "Warning: no think (blocking 1, blocking 2, blocking 3, blocking 4 and 3 more)"
        == callout.title
    )
    assert "blocking 1: m 1. The others are like it." == callout.text
    assert "R 1." == callout.remedy


def test_a_recommendation_is_a_size_its_basis_and_a_reason() -> None:
    """The basis is in the title, and explained where the reason does not do it."""
    (callout,) = verdict(run_file(case_record(), recommendations=[recommendation()]))

    assert Kind.GOOD is callout.kind
    assert "Recommended, estimated: max_connections = 8, at least 6" == callout.title
    assert callout.text.startswith("99.9 % of the handlers that asked found at most 7")
    assert "Estimated, not verified" in callout.text


@pytest.mark.parametrize("basis", ["measured", "certified"])
def test_a_tried_size_is_not_called_an_estimate(basis: str) -> None:
    """Only what was not tried is called estimated."""
    (callout,) = verdict(run_file(case_record(), recommendations=[recommendation(basis=basis)]))

    assert callout.title.startswith(f"Recommended, {basis}: ")
    assert "stimated" not in callout.text


def test_several_loads_get_a_recommendation_each() -> None:
    """Each says which load it is for, by what sets the loads apart."""
    run = run_file(
        case_record(),
        recommendations=[
            recommendation(applies_to={"concurrency": n, "think": "10ms"}) for n in (10, 50)
        ],
    )

    assert ["(10 handlers)", "(50 handlers)"] == [
        callout.title[callout.title.index("(") :] for callout in verdict(run)
    ]


@pytest.mark.parametrize("evidence", [{}, {"remedy": "add processes"}])
def test_no_size_gives_cause_and_remedy(evidence: dict[str, str]) -> None:
    """Where no size can be read, the reason stands in its place, and what helps if it is known."""
    none = recommendation(
        verdict="no_size",
        max_connections=None,
        minimum=None,
        reason="No size: the client used 97 % of a core",
        evidence=evidence,
    )
    (callout,) = verdict(run_file(case_record(), recommendations=[none]))

    assert Kind.BAD is callout.kind
    assert "No pool size can be recommended" == callout.title
    assert "The client used 97 % of a core." == callout.text
    assert ("Add processes." if evidence else "") == callout.remedy


ONE_OF_EACH: dict[str, Any] = {
    "repeats": 1,
    "throughput": 1 / 3,
    "prewarmed": 1,
    "opened": 1,
    "setup_round_trips": 1,
    "failures": {"timeout": 1},
    "abandoned": 1,
    "rejected": 1,
    "evicted": 1,
    "retried": 1,
    "out_of_range": 1,
    "connections_counted": 5,
    "lost": True,
    "drift": 0.5,
}


@pytest.mark.parametrize("pool", ["none", "blocking", "raising"])
@pytest.mark.parametrize("size", [1, 10])
def test_one_of_anything_is_no_plural(pool: str, size: int) -> None:
    """Wherever a count stands in words, its noun goes with it."""
    for cases in (
        [case_record(pool, size, concurrency=1, **ONE_OF_EACH)],
        [case_record(pool, size, repeats=1, in_use=[1] * 11, failures={"pool_timeout": 1})],
        [case_record("none", repeats=1, throughput=1 / 3), case_record(pool, size, repeats=1)],
        [case_record("none", repeats=1), case_record(pool, size, prewarmed=1, opened=1)],
        [with_replies(case_record(pool, size, **ONE_OF_EACH), {"7": 1})],
    ):
        run = run_file(*cases, warnings=health(cases), recommendations=recommend(cases))
        said = " ".join(shown(report(run), 5000).replace("\N{NO-BREAK SPACE}", " ").split())
        wrong = re.findall(r"(?<![0-9.,\u202f] )(?<![0-9.,\u202f])\b1 (?!ms|s\b|ns|µs)\w+s\b", said)
        assert [] == [words for words in wrong if words not in ("1 was", "1 starved")]


# --- replies ---


def with_replies(case: CaseRecord, *tallies: dict[str, int]) -> CaseRecord:
    """Give each trial the replies it tallied."""
    trials = [
        trial.model_copy(update={"replies": tally})
        for trial, tally in zip(case.trials, tallies, strict=True)
    ]
    return case.model_copy(update={"trials": trials})


def test_connection_ids_tell_who_served() -> None:
    """The tally of CLIENT ID is told as connections, per trial, with the first few ids."""
    case = with_replies(
        case_record("blocking", 2, clients="successive", repeats=2),
        {"7": 600, "10": 400},
        {"21": 500, "22": 500},
    )
    run = run_file(case)
    run = run.model_copy(update={"scenario": {**run.scenario, "commands": ["CLIENT ID"]}})
    (block,) = section(report(run), "Who served the commands")

    total = format_count(2000)
    line = (
        f"{total} commands by {total} successive clients were served by 2 connections in each of "
        "2 trials (server's client ids 7, 10, 21, …)"
    )
    assert KeyValues(pairs=(("blocking 2", line),)) == block


@pytest.mark.parametrize(
    ("tallies", "served"),
    [
        ([{"7": 5}], "1 connection "),
        ([{"7": 5}, {"8": 1}], "1 connection in each of 2 trials "),
        ([{"7": 5}, {"8": 1, "odd": 1}], "1 to 2 connections in each of 2 trials "),
    ],
)
def test_connections_that_served_are_counted_for_each_trial(
    tallies: list[dict[str, int]], served: str
) -> None:
    """Each trial has a pool of its own, so its connections are its own."""
    run = run_file(with_replies(case_record(repeats=len(tallies)), *tallies))
    run = run.model_copy(update={"scenario": {**run.scenario, "commands": ["CLIENT ID"]}})
    (block,) = section(report(run), "Who served the commands")

    assert isinstance(block, KeyValues)
    assert f" commands were served by {served}" in block.pairs[0][1]


def test_other_replies_are_only_counted() -> None:
    """Replies to anything else are no connections."""
    run = run_file(with_replies(case_record(repeats=1), {"b'x'": 3, "None": 1000}))
    (block,) = section(report(run), "Replies")

    line = f"{format_count(1003)} replies: None {format_count(1000)} times, b'x' 3 times"
    assert KeyValues(pairs=(("blocking 10", line),)) == block


# --- what next ---


def next_words(run: RunFile) -> str:
    """Read the command a report ends with."""
    block = report(run).blocks[-1]
    assert isinstance(block, Command)
    return block.text


def test_the_result_is_named_only_if_it_was_kept() -> None:
    """Without a path there is no line about it."""
    assert KeyValues(pairs=(("result", PATH),)) in report(two_cases()).blocks
    assert "result" not in {
        key
        for block in run_document(two_cases(), path=None).blocks
        if isinstance(block, KeyValues)
        for key, _ in block.pairs
    }


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (
            run_file(
                case_record("none"),
                case_record("blocking", 20, concurrency=80, think="constant 2ms"),
                recommendations=[recommendation()],
            ),
            (
                "valkeybench run --concurrency 50,80 --think '10ms,constant 2ms' "
                "--pool blocking --max-conn 6,8,20"
            ),
        ),
        (
            run_file(
                case_record(
                    "blocking",
                    decode_responses=True,
                    socket_timeout_ns=None,
                    pool_timeout_ns=1_500_000,
                    retries=2,
                ),
                recommendations=[recommendation()],
            ),
            (
                "valkeybench run --pool-timeout 1500us --decode-responses --retries 2 "
                "--pool blocking --max-conn 6,8,10"
            ),
        ),
        (
            run_file(case_record("fair", 7)),
            "valkeybench run --pool none,fair --max-conn 7",
        ),
        (
            run_file(case_record("none"), case_record(), warnings=[warning()]),
            "valkeybench doctor",
        ),
        (
            run_file(case_record("none"), case_record()),
            "valkeybench run --pool blocking --max-conn 3,6,12,25,50",
        ),
        (
            run_file(case_record("none"), case_record(max_connections=5), case_record()),
            "valkeybench scenarios",
        ),
        (run_file(), "valkeybench scenarios"),
    ],
    ids=["verify", "flags", "contrast", "doubt", "sizes", "more", "nothing"],
)
def test_the_next_command_knows_what_was_just_done(run: RunFile, words: str) -> None:
    """It verifies an estimate, adds what was left out, or doubts; the load stays the same."""
    assert words == next_words(run)


def test_a_limit_that_was_none_stays_none() -> None:
    """An axis without a value is written as its flag reads it."""
    run = run_file(case_record("blocking"), recommendations=[recommendation()])
    axes = {"socket_timeout_ns": [None, 1_000_000_000], "odd": 1}
    run = run.model_copy(update={"scenario": {"axes": axes}})

    words = "valkeybench run --socket-timeout none,1s --pool blocking --max-conn 6,8,10"
    assert words == next_words(run)


def test_the_next_command_asks_the_same_server() -> None:
    """A server of the user's own is asked again, whatever its address looks like."""
    run = run_file(case_record("blocking"))
    run = run.model_copy(
        update={"scenario": {**run.scenario, "server": {"url": "unix:///tmp/a b;rm"}}}
    )

    assert "valkeybench run --url 'unix:///tmp/a b;rm' --pool none,blocking --max-conn 10" == (
        next_words(run)
    )


def test_the_next_command_keeps_what_was_set() -> None:
    """Length, repeats, seed, placement, TLS and who we are, in the words of the flags."""
    run = run_file(case_record("fair"), recommendations=[recommendation()])
    usual: dict[str, Any] = plain(Scenario().server)
    server = {
        **usual,
        "url": "valkeys://cache:6390/0",
        "tls": {**usual["tls"], "ca_certs": "ca.pem", "cert_reqs": "none"},
    }
    scenario = {
        **run.scenario,
        "server": server,
        "duration_ns": 1_500_000_000,
        "repeats": 5,
        "seed": 9,
        "prewarm": False,
        "pin": "auto",
        "commands": ["PING", "GET k:{0..9}"],
    }
    run = run.model_copy(update={"scenario": scenario})
    *_, block = run_document(run, path=None, login=("--user", "me")).blocks

    assert isinstance(block, Command)
    assert (
        "valkeybench run --url valkeys://cache:6390/0 --user me --seed 9 --command PING "
        "--command 'GET k:{0..9}' --duration 1500ms --repeats 5 --no-prewarm --pin auto "
        "--cacert ca.pem --cert-reqs none --pool fair --max-conn 6,8,10"
    ) == block.text
    assert "(with user and password as before)" in _purpose(run)
    assert "as before" not in block.purpose


def _purpose(run: RunFile) -> str:
    block = report(run).blocks[-1]
    assert isinstance(block, Command)
    return block.purpose


def test_no_two_places_of_a_report_name_different_sizes_to_try() -> None:
    """Sizes are suggested by the next command alone, warnings and reasons name none."""
    bound = case_record("blocking", 2, in_use=[1, 1, 1], failures={"pool_timeout": 30}, starved=9)
    run = run_file(bound, warnings=health([bound]), recommendations=recommend([bound]))
    bound_and_fine = case_record("blocking", 2, in_use=[1, 1, 1])
    modelled = run_file(
        bound_and_fine,
        warnings=health([bound_and_fine]),
        recommendations=recommend([bound_and_fine]),
    )

    for each in (run, modelled):
        named = re.findall(r"--max-conn [0-9,]+", shown(report(each), 500))
        assert 1 == len(named)
    # What the model says is tried beside the pool that was the limit and one that cannot be.
    assert next_words(modelled).endswith("--max-conn 2,5,6,50")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_what_is_pasted_stays_one_word(encoding: str) -> None:
    """A command from somebody's file cannot break out of its quotes, in any encoding."""
    hostile = "x’; touch pwned #"
    run = run_file(case_record("none"), case_record())
    run = run.model_copy(update={"scenario": {**run.scenario, "commands": [hostile]}})

    text = shown(report(run), 160, encoding=encoding)

    (line,) = [line for line in text.splitlines() if line.startswith("  $ ")]
    assert "'x’; touch pwned #'" in line or """'x'"'"'; touch pwned #'""" in line


def test_batches_have_a_column_of_commands() -> None:
    """Commands a second beside requests a second, and what a batch counts as; else neither."""
    case = case_record(repeats=1, batched=9000)
    assert case.summary is not None
    table = next(b for b in report(run_file(case)).blocks if isinstance(b, Table))
    column = [column.title for column in table.columns].index("commands")
    assert format_rate((case.summary.completed + 9000) / 3) == table.rows[0][column].text
    assert any("A batch is one request" in note.text for note in table.notes)

    table = next(b for b in report(run_file(case_record())).blocks if isinstance(b, Table))
    assert "commands" not in [column.title for column in table.columns]
    assert not any("batch" in note.text for note in table.notes)


def test_the_data_set_is_said_before_the_results() -> None:
    """How much was written before the load, and what that took."""
    data_set = DataSet(keys=1, bytes=2048, duration_ns=3_000_000)
    blocks = report(run_file(case_record(), data_set=data_set)).blocks
    said = "data set: 1 key, 2.00 KiB written before the load in 3.00 ms"
    assert said in [block.text for block in blocks if isinstance(block, Paragraph)]
