"""Every server binary on this machine can be run, asked and measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.load.loads import drive_here, few_handlers, make_trial
from valkeybench.measurement.reading import Flavour
from valkeybench.server.binary import find_server_binary, find_tls_binary
from valkeybench.server.embedded import embedded_serving
from valkeybench.server.sampler import ServerSampler

if TYPE_CHECKING:
    from pathlib import Path


def binaries() -> list[Path]:
    """List what there is, each once: the one we would run, and the one we would for TLS."""
    found = (find_server_binary(), find_tls_binary())
    return list(dict.fromkeys(binary for binary in found if binary is not None))


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("binary", binaries(), ids=str)
def test_it_answers_and_confirms(
    binary: Path, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says who it is, counts the connections a load opens, and fails no command."""
    monkeypatch.setenv("VALKEYBENCH_SERVER", str(binary))
    with embedded_serving() as serving, ServerSampler(serving.endpoint()) as sampler:
        assert binary == serving.binary
        facts, before = sampler.facts(), sampler.read()
        trial = make_trial(few_handlers(protocol=protocol))
        seen = drive_here(trial, serving.endpoint())
        after = sampler.read()
    assert isinstance(facts.flavour, Flavour)
    assert facts.version
    assert facts.tcp_backlog
    assert {} == seen.failures
    assert 0 < seen.completed
    counts = [reading.total_connections_received or 0 for reading in (before, after)]
    assert seen.prewarmed.connections + seen.opened.connections == counts[1] - counts[0]
