"""The run file under way: takes trials in as they end, and gives the whole run at any time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from valkeybench import __version__
from valkeybench.measurement.corroboration import corroborated
from valkeybench.measurement.measurement import Measurement
from valkeybench.results.environment import read_environment
from valkeybench.results.nodes import case_nodes, trial_nodes
from valkeybench.results.runfile import (
    CaseRecord,
    ConnectionCost,
    DataSet,
    Recommendation,
    RunFile,
    RunWarning,
    Tool,
)
from valkeybench.results.summary import case_record, trial_record
from valkeybench.scenario.model import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.errors import LoadError
    from valkeybench.measurement.cost import ConnectionCost as MeasuredCost
    from valkeybench.measurement.measurement import Loaded
    from valkeybench.measurement.placing import Placing
    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.measurement.watch import ServerWatch
    from valkeybench.plan.trial import Plan, Trial
    from valkeybench.results.runfile import Trial as TrialRecord
    from valkeybench.scenario.model import Scenario

Status = Literal["complete", "interrupted", "failed"]


@dataclass(slots=True)
class Book:
    """Everything known about a run so far.

    `address` is where the server is, without user or password; `provider` is who runs it,
    and `tls_provider` who does its TLS, where we know. `tls_context` is what building a TLS
    context takes here, where TLS is used.
    """

    scenario: Scenario
    plan: Plan
    facts: ServerFacts
    address: str
    provider: str
    tls_provider: str | None = None
    tls_context: dict[str, int] | None = None
    connection_costs: Sequence[MeasuredCost] = ()
    environment: dict[str, Any] = field(default_factory=read_environment)
    """Of the machine, and of the Python the load runs in."""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    _data_set: DataSet | None = None
    lost: list[RunWarning] = field(default_factory=list)
    """Trials without a result, each with its reason."""
    _cases: dict[int, CaseRecord] = field(default_factory=dict)
    _seen: dict[int, Measurement] = field(default_factory=dict)
    """What the trials of a case saw, added up: a long run must not hold every measurement."""

    def enter(
        self,
        trial: Trial,
        started: datetime,
        seen: Measurement,
        watch: ServerWatch,
        placing: Placing | None = None,
    ) -> TrialRecord:
        """Take a trial in, and give it as it is kept."""
        at = started.isoformat(timespec="milliseconds")
        seen = corroborated(seen, watch)
        record = trial_record(trial, at, seen, watch, placing)
        slots = {node.address: node.slots for node in self.facts.nodes}
        record = record.model_copy(update={"nodes": trial_nodes(seen, watch, slots)})
        index = trial.case_index
        # Series are large, stay with their trial, and say nothing about the case.
        without_series = replace(seen, series=Measurement().series)
        self._seen[index] = self._seen.get(index, Measurement()) + without_series
        trials = [*self._case(index).trials, record]
        case = case_record(trial.case, self._case(index).id, trials, self._seen[index])
        nodes = case_nodes(trials, self._seen[index])
        self._cases[index] = case.model_copy(update={"nodes": nodes})
        return record

    def note_data_set(self, loaded: Loaded) -> None:
        """Keep what was written before the first trial."""
        if loaded.keys:
            self._data_set = DataSet(
                keys=loaded.keys, bytes=loaded.size, duration_ns=loaded.lasted_ns
            )

    def lose(self, trial: Trial, error: LoadError) -> None:
        """Note that a trial gave no result."""
        self.lost.append(
            RunWarning(
                code="trial_lost",
                message=f"repeat {trial.repeat + 1} gave no result: {error.message}",
                remedy=error.remedy,
                case=self._case(trial.case_index).id,
            )
        )

    def cases(self) -> list[CaseRecord]:
        """Give every case with the trials it has."""
        return [self._case(index) for index in range(len(self.plan.cases))]

    def run_file(
        self,
        status: Status,
        *,
        warnings: Sequence[RunWarning] = (),
        recommendations: Sequence[Recommendation] = (),
    ) -> RunFile:
        """Give the whole run as it stands."""
        return RunFile(
            tool=Tool(version=__version__),
            created=self.created.isoformat(timespec="seconds"),
            status=status,
            environment=self.environment
            | {
                "server": self._server(),
                "tls_context": self.tls_context,
                "place": self.scenario.place,
            },
            scenario=plain(self._showable_scenario()),
            data_set=self._data_set,
            warnings=list(warnings),
            cases=self.cases(),
            recommendations=list(recommendations),
            connection_costs=[ConnectionCost(**plain(cost)) for cost in self.connection_costs],
        )

    def _case(self, index: int) -> CaseRecord:
        if index not in self._cases:
            varied = self.scenario.axes.varied() or ("pool",)
            case = self.plan.cases[index]
            return case_record(case, _case_id(plain(case), varied), [], Measurement())
        return self._cases[index]

    def _server(self) -> dict[str, object]:
        return {
            **plain(self.facts),
            "address": self.address,
            "provider": self.provider,
            "tls_provider": self.tls_provider,
        }

    def _showable_scenario(self) -> Scenario:
        """Leave out who we are to the server: the URL goes without its user, and so do we."""
        server = self.scenario.server
        url = self.address if server.url else None
        return replace(self.scenario, server=replace(server, url=url, username=None, binary=None))


def _case_id(axes: dict[str, object], varied: tuple[str, ...]) -> str:
    """Name a case by what sets it apart; by its pool, should that be nothing it has."""
    known = [name for name in varied if axes[name] is not None] or ["pool"]
    return ",".join(f"{name}={axes[name]}" for name in known)
