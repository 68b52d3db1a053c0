"""Failures a client cannot tell apart are told by what the server counted."""

from __future__ import annotations

import pytest

from valkeybench.measurement.corroboration import corroborated
from valkeybench.measurement.measurement import Measurement
from valkeybench.measurement.reading import ServerReading
from valkeybench.measurement.watch import ServerWatch


def watch(before: int | None, after: int | None) -> ServerWatch:
    """Make a watch between two counts of rejected connections."""
    first, last = (ServerReading(at_ns=0, rejected_connections=n) for n in (before, after))
    return ServerWatch(
        before=first, ready=first, samples=(), after=last,
        own_connections=0, opens_ns=0, closes_ns=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("failures", "rejected", "expected"),
    [
        # As many as were rejected were no failures of TLS; what is left was.
        ({"tls": 10}, 10, {"max_clients": 10}),
        ({"tls": 10}, 4, {"tls": 6, "max_clients": 4}),
        ({"tls": 10}, 0, {"tls": 10}),
        ({"tls": 3}, 99, {"max_clients": 3}),
        # Those the client was told of are rejections already.
        ({"max_clients": 4, "reset": 5}, 6, {"max_clients": 6, "reset": 3}),
        ({"max_clients": 9, "reset": 5}, 6, {"max_clients": 9, "reset": 5}),
        ({"tls": 2, "reset": 2}, 3, {"reset": 1, "max_clients": 3}),
        # Nothing else is explained by it.
        ({"timeout": 5, "auth": 1}, 6, {"timeout": 5, "auth": 1}),
        ({}, 6, {}),
    ],
)
def test_as_many_as_were_turned_away_were_turned_away(
    failures: dict[str, int], rejected: int, expected: dict[str, int]
) -> None:
    """No failure is lost or invented."""
    told = corroborated(Measurement(failures=failures), watch(7, 7 + rejected))
    assert expected == told.failures
    assert sum(failures.values()) == told.failed


@pytest.mark.parametrize("counts", [(None, 9), (3, None), (None, None), (9, 3)])
def test_a_server_that_does_not_tell_explains_nothing(
    counts: tuple[int | None, int | None],
) -> None:
    """Nor does one that was started anew and counts from nothing."""
    failures = {"tls": 5, "reset": 5}
    assert failures == corroborated(Measurement(failures=failures), watch(*counts)).failures
