"""How trials are run: what must be in place, each between readings of the server, what ends them.

It is told which trials, against what and where; it neither chooses nor interprets.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from valkeybench.analysis.failed import failure_notes
from valkeybench.analysis.health import health
from valkeybench.analysis.idling import idle_notes
from valkeybench.analysis.notes import run_notes
from valkeybench.analysis.recovery import with_recovery
from valkeybench.errors import LoadError, ServerError, ValkeybenchError
from valkeybench.load.caution import cautions, check_consent, nobody
from valkeybench.load.keyspace import own_keyspace
from valkeybench.load.placement import place
from valkeybench.load.preflight import check_room
from valkeybench.load.trust import context_cost
from valkeybench.load.vetting import check_commands
from valkeybench.measurement.watch import ServerWatch
from valkeybench.results.book import Book
from valkeybench.results.environment import read_environment
from valkeybench.results.store import write_run
from valkeybench.server.disturber import Disturber
from valkeybench.server.doorstep import read_doorstep
from valkeybench.server.neighbours import neighbours
from valkeybench.server.probe import connection_costs
from valkeybench.server.serving import TlsProvider
from valkeybench.server.session import gone
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from valkeybench.load.caution import Consent
    from valkeybench.load.keyspace import Keyspace
    from valkeybench.load.places import Place
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.measurement.placing import Placing
    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.plan.trial import Plan, Trial
    from valkeybench.results.book import Status
    from valkeybench.results.runfile import Recommendation, RunFile, RunWarning
    from valkeybench.results.runfile import Trial as TrialRecord
    from valkeybench.scenario.model import Scenario
    from valkeybench.server.endpoint import Endpoint
    from valkeybench.server.serving import Serving
    from valkeybench.server.watching import Watching

_SAMPLE_EVERY_NS = 250 * MILLISECOND
_MOST_SAMPLES = 2_400
"""Readings of the server in one trial: those of ten minutes; a longer trial has them less often."""


class Watcher(Protocol):
    """Who is told how the work gets on."""

    def planned(self, plan: Plan, endpoint: Endpoint, facts: ServerFacts) -> None:
        """Hear that the server is there, and what will be done."""

    def trial_started(self, trial: Trial) -> None:
        """Hear that a trial begins."""

    def trial_done(self, trial: Trial, record: TrialRecord) -> None:
        """Hear that a trial is measured and kept."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a trial is run: the servers, who asks them about themselves, and the place."""

    serving: Serving
    sampler: Watching
    where: Place
    about: Mapping[str, Any] | None = None
    """What the Python says of itself that the load runs in, where that is not ours."""
    consent: Consent = nobody
    """Who is asked when something speaks against loading the server."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Everything in place for the trials of a plan, and the book they are entered in."""

    scenario: Scenario
    book: Book
    bench: Bench
    facts: ServerFacts
    keyspace: Keyspace

    def finished(self, status: Status, recommendations: Sequence[Recommendation] = ()) -> RunFile:
        """Give the whole run with what limits its numbers, once nothing stands any more."""
        cases = self.book.cases()
        run = self.book.run_file(
            status,
            warnings=[
                *self._notes(),
                *self.book.lost,
                *failure_notes(cases),
                *idle_notes(self.facts, cases),
                *health(cases),
            ],
            recommendations=recommendations,
        )
        return run.model_copy(update={"cases": with_recovery(run.cases)})

    def _notes(self) -> list[RunWarning]:
        """Say what the run could not see, do, or keep to itself."""
        serving, where = self.bench.serving, self.bench.where
        has_password = serving.endpoint().password is not None
        shown_to = self.scenario.place if has_password and where.is_in_clear else None
        return run_notes(
            self.facts,
            serving.tls.trust if serving.tls else None,
            # What was in a server of our own went with it.
            left_behind=self.keyspace.left_behind if self.scenario.server.url else "",
            relayed=serving.tls_provider is TlsProvider.RELAY,
            password_shown_to=shown_to,
        )


@contextmanager
def stand_up(
    scenario: Scenario,
    plan: Plan,
    bench: Bench,
    *,
    watcher: Watcher,
    wants_costs: bool = False,
) -> Iterator[Stand]:
    """Check that a plan can be run and put its keys in place, for as long as this lasts.

    With `wants_costs` what a connection costs is found out even for a short plan. Raises
    ScenarioError and ServerError when it cannot be.
    """
    serving, sampler = bench.serving, bench.sampler
    endpoint, facts = serving.endpoint(), sampler.facts()
    check_room(plan, facts)
    check_consent(cautions(endpoint, facts, neighbours(sampler), plan), bench.consent)
    check_commands(endpoint, scenario, facts)
    plan = plan.placed(place(scenario.pin, endpoint, facts.nodes))
    watcher.planned(plan, endpoint, facts)
    book = Book(
        scenario,
        plan,
        facts,
        address=endpoint.address,
        provider=endpoint.provider,
        tls_provider=serving.tls_provider,
        tls_context=context_cost(serving.tls.trust.ca_certs) if serving.tls else None,
        connection_costs=connection_costs(serving, facts, plan, always=wants_costs),
        environment=read_environment() | dict(bench.about or {}),
    )
    life, prefix = sampler.read().life, plan.trials[0].key_prefix
    with own_keyspace(endpoint, scenario, prefix=prefix, life=life) as keyspace:
        book.note_data_set(keyspace.loaded)
        yield Stand(scenario, book, bench, facts, keyspace)


def run_trials(
    stand: Stand, trials: Iterable[Trial], output: Path | None, watcher: Watcher
) -> tuple[Status, ValkeybenchError | None]:
    """Run every trial in turn; say how that ended, and what stopped it early.

    A trial whose load is lost is left out and the next one run; two in a row end it.
    """
    book, bench = stand.book, stand.bench
    lost: LoadError | None = None
    lost_now = False
    try:
        for trial in trials:
            watcher.trial_started(trial)
            started = datetime.now(UTC)
            endpoint = bench.serving.endpoint(tls=trial.case.tls)
            lost_before, lost_now = lost_now, False
            # Whoever had the server started anew before: its reads shall find something.
            stand.keyspace.follow(bench.sampler.read().life)
            try:
                seen, watch, placing = _run_trial(trial, endpoint, bench)
            except LoadError as error:
                book.lose(trial, error)
                lost, lost_now = lost or error, True
                if lost_before:
                    return "failed", lost
                continue
            record = book.enter(trial, started, seen, watch, placing)
            if output is not None:
                # Until the last trial is in, whoever reads the file must see it is not whole.
                write_run(book.run_file("interrupted"), output)
            watcher.trial_done(trial, record)
            if watch.lost:
                return "failed", gone(bench.serving.endpoint(), bench.sampler)
    except ServerError as error:
        return "failed", error
    except KeyboardInterrupt:
        return "interrupted", None
    return "complete" if lost is None else "failed", lost


def _run_trial(
    trial: Trial, endpoint: Endpoint, bench: Bench
) -> tuple[Measurement, ServerWatch, Placing]:
    """Run one trial between readings of the server."""
    sampler = bench.sampler
    disturber = Disturber(trial.case.disturb, bench.serving.control, sampler)
    before, connections_before = sampler.read(), sampler.own_connections
    doorstep = read_doorstep(endpoint)
    with bench.where.standing_by(trial, endpoint) as load:
        ready = sampler.read()
        every_ns = max(_SAMPLE_EVERY_NS, trial.duration_ns // _MOST_SAMPLES)
        with sampler.watch(every_ns, through_gaps=trial.case.disturb is not None) as watching:
            seen = load.run(disturber.during)
    after, turned_away = sampler.read_if_there(), read_doorstep(endpoint).since(doorstep)
    watch = ServerWatch(
        before=before,
        ready=ready,
        samples=watching.readings,
        after=after or ready,
        own_connections=sampler.own_connections - connections_before,
        opens_ns=load.window.opens,
        closes_ns=load.window.closes,
        lost=watching.lost or after is None,
        listen_overflows=turned_away.listen_overflows,
        listen_drops=turned_away.listen_drops,
        disturbed=disturber.done,
    )
    return seen, watch, load.placing
