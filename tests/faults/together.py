"""One run for each driver, all at work on one server at once, so that one fault befalls all."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.cli.commandline import TINY, external
from tests.faults.aftermath import OUTPUT, assert_aftermath, make_scene
from tests.load.loads import DRIVERS
from tests.server.processes import client, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.cli.commandline import Ended, Running
    from tests.faults.aftermath import Scene
    from valkeybench.results.runfile import RunFile
    from valkeybench.results.runfile import Trial as TrialRecord
    from valkeybench.scenario.model import Driver
    from valkeybench.server.endpoint import Endpoint

LASTING = (
    *("run", *TINY, "--warmup", "0", "--duration", "10s", "--think", "5ms"),
    *("--pool", "blocking", "-o", OUTPUT),
)
"""A run of one trial that can be disturbed half-way, long enough for all to have begun."""


@dataclass(slots=True)
class Runs:
    """The runs of all drivers, under way."""

    endpoint: Endpoint
    scenes: dict[Driver, Scene] = field(default_factory=dict)
    under_way: dict[Driver, Running] = field(default_factory=dict)

    def wait_until_at_work(self, command: str = "get") -> None:
        """Wait until every driver's last word was this command, over connections well in use."""
        with closing(client(self.endpoint)) as asking:

            def at_work() -> set[str]:
                listed: Any = asking.client_list()
                busy = [c for c in listed if c["cmd"] == command and int(c["tot-cmds"]) > 30]
                return {c["name"] for c in busy}

            wait_until(lambda: {driver.value for driver in self.scenes} <= at_work())

    def end(
        self, *, code: int, servers: tuple[Endpoint, ...] = ()
    ) -> dict[Driver, tuple[Ended, RunFile]]:
        """See every run end as promised, with this code; give what each said and kept."""
        ended = {driver: run.ended() for driver, run in self.under_way.items()}
        assert self.endpoint.password is not None
        secret = self.endpoint.password.reveal()
        return {
            driver: (
                said,
                assert_aftermath(
                    self.scenes[driver], said, code=code, secret=secret, servers=servers
                ),
            )
            for driver, said in ended.items()
        }


@contextmanager
def run_all_drivers(directory: Path, endpoint: Endpoint, *words: str) -> Iterator[Runs]:
    """Start a lasting run with each driver; each has its name on its connections."""
    runs = Runs(endpoint)
    with ExitStack() as stack:
        for driver in DRIVERS:
            place = directory / driver.value
            place.mkdir()
            scene = runs.scenes[driver] = make_scene(place)
            named = ("--driver", driver.value, "--client-name", driver.value)
            running = scene.running(*LASTING, *named, *words, **external(endpoint))
            runs.under_way[driver] = stack.enter_context(running)
        yield runs


def only_trial(run: RunFile) -> TrialRecord:
    """Give the one trial of a run."""
    ((trial,),) = [case.trials for case in run.cases]
    return trial
