"""The book takes trials in one by one, and gives a whole run at any time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from valkeybench.measurement.histogram import Histogram
from valkeybench.measurement.measurement import Loaded, Measurement, Opening
from valkeybench.measurement.metrics import Phase
from valkeybench.measurement.reading import Flavour, ServerFacts, ServerReading
from valkeybench.measurement.series import Series
from valkeybench.measurement.watch import ServerWatch
from valkeybench.plan.trial import make_plan
from valkeybench.results.book import Book
from valkeybench.results.runfile import RunFile, json_schema
from valkeybench.scenario.model import Axes, Pool, Scenario, ServerSettings, TlsSettings
from valkeybench.scenario.secret import Secret
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from valkeybench.plan.trial import Trial

READING = ServerReading(at_ns=0)
WATCH = ServerWatch(
    before=READING, ready=READING, samples=(), after=READING,
    own_connections=0, opens_ns=0, closes_ns=SECOND,
)  # fmt: skip
STARTED = datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC)


def book_of(axes: Axes | None = None, **scenario: Any) -> Book:  # noqa: ANN401 - of a scenario
    """Open a book for a scenario on a server of somebody's."""
    asked = Scenario(axes=axes or Axes(), repeats=2, **scenario)
    facts = ServerFacts(version="9.1.2", flavour=Flavour.VALKEY, missing=("CONFIG",))
    return Book(asked, make_plan(asked, key_prefix="p:"), facts, "valkey://h:6379/0", "external")


def seen(trial: Trial, value_ns: int = MILLISECOND, *, open_max: int = 4) -> Measurement:
    """Make up what a trial saw."""
    series = Series.blank(SECOND)
    series.completed[0] = 3
    return Measurement(
        window_ns=SECOND * trial.case.processes,
        completed=3,
        handlers=(1, 2),
        histograms={Phase.RESPONSE: Histogram.of([value_ns] * 3)},
        opened=Opening(connections=1),
        open_max=open_max,
        in_use=np.array([2, 1, 0, 0], np.int64),
        series=series,
        replies={"1": 3},
        cpu_ns=SECOND // 2,
    )


def test_a_book_begins_with_every_case_and_no_trial() -> None:
    """Nothing measured is a whole run file too."""
    run = book_of().run_file("interrupted")

    assert [("pool=none", None, []), ("pool=blocking", None, [])] == [
        (case.id, case.summary, case.trials) for case in run.cases
    ]
    assert ("interrupted", [], []) == (run.status, run.warnings, run.recommendations)


def test_a_trial_is_kept_with_its_case() -> None:
    """Everything it saw, and when it began."""
    book = book_of(tally_replies=True)
    planned = book.plan.trials[0]
    record = book.enter(planned, STARTED, seen(planned), WATCH)
    cases = book.cases()

    assert [record] == cases[planned.case_index].trials
    assert [] == cases[1 - planned.case_index].trials
    assert ("2026-01-02T03:04:05.678+00:00", 0) == (record.started, record.repeat)
    assert ([1, 2], [2, 1], {"1": 3}) == (record.handlers, record.in_use_counts, record.replies)
    assert Histogram.of([MILLISECOND] * 3).encode() == record.histograms["response"]
    assert (10, 30.0) == (len(record.series), record.series[0].throughput)
    assert 0.5 == record.client.cpu_share


def test_a_case_is_its_trials_together() -> None:
    """Counts add, percentiles are of all samples at once, throughput is over all the time."""
    book = book_of(Axes(pool=(Pool.BLOCKING,)))
    for trial, value_ns, open_max in zip(book.plan.trials, (1000, 9000), (4, 7), strict=True):
        book.enter(trial, STARTED, seen(trial, value_ns, open_max=open_max), WATCH)
    (case,) = book.cases()
    summary = case.summary

    assert summary is not None
    assert (6, 3.0, 6) == (summary.completed, summary.throughput, summary.phases["response"].count)
    assert (1000, 1000, 9000) == (
        summary.phases["response"].min_ns,
        summary.phases["response"].p50_ns,
        summary.phases["response"].max_ns,
    )
    assert (2, 7) == (summary.connections.opened, summary.connections.open_max)
    assert summary.in_use is not None
    assert pytest.approx(1 / 3) == summary.in_use.mean


def test_replies_are_kept_only_when_they_were_asked_for() -> None:
    """Who did not ask to tally them has none in the file."""
    book = book_of()
    record = book.enter(book.plan.trials[0], STARTED, seen(book.plan.trials[0]), WATCH)
    assert None is record.replies


def test_a_run_is_valid_at_any_time() -> None:
    """After every trial the file obeys its schema and can be read back as it is."""
    schema = Draft202012Validator(json_schema())
    book = book_of()
    for trial in book.plan.trials:
        book.enter(trial, STARTED, seen(trial), WATCH)
        run = book.run_file("interrupted")
        document = json.loads(run.model_dump_json(by_alias=True))
        schema.validate(document)
        assert run == RunFile.model_validate(document)


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        (Axes(pool=(Pool.FAIR,)), ["pool=fair"]),
        (
            Axes(max_connections=(5, 10)),
            ["pool=none", "pool=blocking,max_connections=5", "pool=blocking,max_connections=10"],
        ),
        (Axes(pool=(Pool.NONE,), max_connections=(5, 10)), ["pool=none"]),
        (
            Axes(pool=(Pool.FAIR,), pool_timeout_ns=(None, SECOND)),
            ["pool=fair", "pool_timeout_ns=1000000000"],
        ),
        (
            Axes(pool=(Pool.FAIR,), socket_timeout_ns=(None, 1), connect_timeout_ns=(None, 1)),
            [
                "pool=fair",
                "connect_timeout_ns=1",
                "socket_timeout_ns=1",
                "socket_timeout_ns=1,connect_timeout_ns=1",
            ],
        ),
        (
            Axes(pool=(Pool.FAIR,), decode_responses=(False, True)),
            ["decode_responses=False", "decode_responses=True"],
        ),
    ],
)
def test_a_case_is_named_by_what_sets_it_apart(axes: Axes, expected: list[str]) -> None:
    """The axes that vary, as far as they mean something; no two cases are named alike."""
    assert expected == [case.id for case in book_of(axes).cases()]


def test_a_run_file_does_not_say_who_we_were() -> None:
    """User, passwords and the URL that named them stay out; where the server is stays in."""
    server = ServerSettings(
        url="valkey://alice:hunter2@h:6379/0",
        username="alice",
        password=Secret("hunter3"),
        tls=TlsSettings(key_password=Secret("hunter4")),
    )
    text = book_of(server=server).run_file("complete").model_dump_json()

    assert "valkey://h:6379/0" in text
    assert "hunter" not in text
    assert "alice" not in text


def test_a_run_says_which_server_answered() -> None:
    """Its facts, its address and who runs it are part of the environment."""
    server = book_of().run_file("complete").environment["server"]

    assert isinstance(server, dict)
    assert ("9.1.2", "valkey", ["CONFIG"]) == (
        server["version"],
        server["flavour"],
        server["missing"],
    )
    assert ("valkey://h:6379/0", "external") == (server["address"], server["provider"])


def test_the_data_set_is_kept_apart() -> None:
    """What was written before the first trial, and what that took; nothing where nothing was."""
    book = book_of()
    book.note_data_set(Loaded())
    assert book.run_file("complete").data_set is None

    book.note_data_set(Loaded(keys=10, size=840, lasted_ns=MILLISECOND))
    kept = book.run_file("complete")
    assert kept.data_set is not None
    assert (10, 840, MILLISECOND) == (
        kept.data_set.keys,
        kept.data_set.bytes,
        kept.data_set.duration_ns,
    )
    Draft202012Validator(json_schema()).validate(json.loads(kept.model_dump_json(by_alias=True)))


def test_requests_and_commands_are_counted_apart() -> None:
    """A request is a command or a batch; the file tells the commands of completed ones too."""
    book = book_of()
    trial = book.plan.trials[0]
    record = book.enter(trial, STARTED, replace(seen(trial), batched=27), WATCH)
    assert (3, 30, 3.0) == (
        record.summary.completed,
        record.summary.commands,
        record.summary.throughput,
    )
