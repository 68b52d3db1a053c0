"""A load for which no size is an answer is refused by the real search, with the cause and a remedy.

The model in tests/analysis refuses every kind; these are loads that provoke some of them on a
real server, where the first trial tells.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.commandline import valkeybench

if TYPE_CHECKING:
    from pathlib import Path

TRIES = 4
"""A busy machine may keep client or server from what saturates them."""


def searched(where: Path, *words: str) -> dict[str, Any]:
    """Search with short trials, and give the recommendation."""
    ended = valkeybench(where, "size", *words, "--warmup", "200ms", "-q", "-o", "found.json")
    assert 0 == ended.code, ended.err
    found: dict[str, Any] = json.loads((where / "found.json").read_text())["recommendations"][0]
    return found


@pytest.mark.parametrize(
    ("words", "causes", "remedy"),
    [
        (
            ("-c", "24", "--think", "0", "--duration", "500ms"),
            {"client_saturated", "no_think"},
            "--think",
        ),
        (
            ("-c", "60", "--think", "2ms", "--duration", "1s", "--driver", "asyncio"),
            {"client_saturated"},
            "--processes",
        ),
        (
            (
                *("-c", "40", "--think", "1ms", "--duration", "1s", "--value-size", "8MiB"),
                *("--command", "BITCOUNT key:{0..3}"),
            ),
            {"server_saturated"},
            "load off the server",
        ),
        (
            ("-c", "20", "--think", "5ms", "--slo", "response.p99 < 30us", "--duration", "1s"),
            {"slo"},
            "limit",
        ),
    ],
    ids=["no think time", "client", "server", "slo"],
)
def test_no_size_is_named_for_a_load_that_has_none(
    tmp_path: Path, words: tuple[str, ...], causes: set[str], remedy: str
) -> None:
    """Verdict `no_size`, exit code 0, the cause for scripts, the remedy for people."""
    for _ in range(TRIES):
        found = searched(tmp_path, *words)
        if causes & set(found["evidence"].get("causes", ())):
            break
    assert causes & set(found["evidence"].get("causes", ())), found["reason"]
    assert ("no_size", None) == (found["verdict"], found["max_connections"])
    assert remedy in found["evidence"]["remedy"]
