"""What will be done, as values: the trials of every case, in the order they will run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from valkeybench.scenario.model import Keys
from valkeybench.scenario.template import Together

if TYPE_CHECKING:
    from valkeybench.scenario.model import Case, Scenario
    from valkeybench.scenario.values import Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One timed run of one case."""

    case: Case
    case_index: int
    repeat: int
    seed: str
    duration_ns: int
    warmup_ns: int
    prewarm: bool
    commands: tuple[str, ...]
    tally_replies: bool
    key_prefix: str
    pin: frozenset[int] | None = None
    """The CPUs the load process may use; None is all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Every case of a scenario, and its trials in the order they will run."""

    cases: tuple[Case, ...]
    trials: tuple[Trial, ...]

    @property
    def most_connections(self) -> int:
        """Give the most connections any trial can hold open at once."""
        return max(case.most_connections for case in self.cases)

    @property
    def duration_ns(self) -> int:
        """Give the time all windows and warm-ups take, start-up not counted."""
        return sum(trial.warmup_ns + trial.duration_ns for trial in self.trials)

    def with_trial(self, case: Case, *, seed: int) -> Plan:
        """Give the plan with one more trial at its end, run as its first one is."""
        cases = self.cases if case in self.cases else (*self.cases, case)
        index = cases.index(case)
        repeat = sum(trial.case_index == index for trial in self.trials)
        trial = replace(
            self.trials[0],
            case=case,
            case_index=index,
            repeat=repeat,
            seed=f"{seed}/{index}/{repeat}",
        )
        return Plan(cases, (*self.trials, trial))

    def placed(self, cpus: frozenset[int] | None) -> Plan:
        """Give the same plan with its load processes on these CPUs; None is any."""
        return Plan(self.cases, tuple(replace(trial, pin=cpus) for trial in self.trials))


def under(prefix: str, keys: Keys) -> str:
    """Give the beginning of every key of a case: with a hash tag where all share one slot."""
    return f"{prefix}{{one}}:" if keys is Keys.ONE_SLOT else prefix


def make_plan(scenario: Scenario, *, key_prefix: str) -> Plan:
    """Expand a scenario into trials: each repeat runs every case once, in shuffled order.

    Interleaving keeps slow drifts of the machine from falling on one case alone;
    shuffling keeps a case from always following the same neighbour.
    """
    cases = scenario.cases()
    prefixes = key_prefixes(scenario, key_prefix)
    draw = Random(scenario.seed)  # noqa: S311 - an order, not cryptography
    trials: list[Trial] = []
    for repeat in range(scenario.repeats):
        trials += (
            Trial(
                case=cases[index],
                case_index=index,
                repeat=repeat,
                seed=f"{scenario.seed}/{index}/{repeat}",
                duration_ns=scenario.duration_ns,
                warmup_ns=scenario.warmup_ns,
                prewarm=scenario.prewarm,
                commands=_requests(scenario.commands, cases[index].pipeline),
                tally_replies=scenario.tally_replies,
                key_prefix=under(prefixes[cases[index].value_size], cases[index].keys),
            )
            for index in draw.sample(range(len(cases)), len(cases))
        )
    return Plan(cases, tuple(trials))


def key_prefixes(scenario: Scenario, key_prefix: str) -> dict[int | Values, str]:
    """Give each size of values keys of its own, so that every case reads what it should."""
    sizes = scenario.axes.value_size
    if len(sizes) == 1:
        return {sizes[0]: key_prefix}
    return {size: f"{key_prefix}{number}:" for number, size in enumerate(sizes)}


def _requests(commands: tuple[str, ...], pipeline: int) -> tuple[str, ...]:
    """Write commands so that as many of each as a pipeline holds make one request."""
    if pipeline == 1:
        return commands
    return tuple(f"{Together.PIPELINE} {pipeline} {command}" for command in commands)
