"""How trials are run: each between readings of the server, kept as it ends, and what ends them.

It is told which trials, against what and where; it neither chooses nor interprets.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from valkeybench.errors import LoadError, ServerError, ValkeybenchError
from valkeybench.measurement.watch import ServerWatch
from valkeybench.results.store import write_run
from valkeybench.server.doorstep import read_doorstep
from valkeybench.server.session import gone
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from valkeybench.load.places import Place
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.measurement.placing import Placing
    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.plan.trial import Plan, Trial
    from valkeybench.results.book import Book, Status
    from valkeybench.results.runfile import Trial as TrialRecord
    from valkeybench.server.endpoint import Endpoint
    from valkeybench.server.sampler import Watching
    from valkeybench.server.serving import Serving

_SAMPLE_EVERY_NS = 250 * MILLISECOND


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


def run_trials(
    book: Book,
    trials: Iterable[Trial],
    bench: Bench,
    output: Path | None,
    watcher: Watcher,
) -> tuple[Status, ValkeybenchError | None]:
    """Run every trial in turn; say how that ended, and what stopped it early.

    A trial whose load is lost is left out and the next one run; two in a row end it.
    """
    lost: LoadError | None = None
    lost_now = False
    try:
        for trial in trials:
            watcher.trial_started(trial)
            started = datetime.now(UTC)
            endpoint = bench.serving.endpoint(tls=trial.case.tls)
            lost_before, lost_now = lost_now, False
            try:
                seen, watch, placing = _run_trial(trial, endpoint, bench.sampler, bench.where)
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
    trial: Trial, endpoint: Endpoint, sampler: Watching, where: Place
) -> tuple[Measurement, ServerWatch, Placing]:
    """Run one trial between readings of the server."""
    before, connections_before = sampler.read(), sampler.own_connections
    doorstep = read_doorstep(endpoint)
    with where.standing_by(trial, endpoint) as load:
        ready = sampler.read()
        with sampler.watch(_SAMPLE_EVERY_NS) as watching:
            seen = load.run()
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
    )
    return seen, watch, load.placing
