"""States of a real server in which it answers every command with an error."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.faults.aftermath import nothing_left_here
from tests.faults.driving import drive_until, every_driver
from tests.faults.servers import mortal_server
from tests.load.loads import few_handlers
from tests.server.processes import client, on_linux
from valkeybench.measurement.metrics import FailureKind
from valkeybench.server.embedded import pick_free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.scenario.model import Driver
    from valkeybench.server.endpoint import Endpoint

pytestmark = on_linux

KEYS, DELAY_US = 6000, 5_000
"""Keys, and how long loading each takes: longer than any test here lasts."""

SLOW_TO_LOAD = (
    f"key-load-delay {DELAY_US}",
    *("loading-process-events-interval-bytes 1024", "rdbcompression no"),
)
"""It looks at its clients after each KiB it has read, which is a key."""


@pytest.fixture(scope="module")
def loading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Give a server that was started again with keys, and has not read them yet."""
    with mortal_server(tmp_path_factory.mktemp("loading"), *SLOW_TO_LOAD) as server:
        with closing(client(server.endpoint)) as admin:
            admin.mset({f"own:{number}": 1024 * "x" for number in range(KEYS)})
            admin.save()
        server.kill()
        server.start(to_load=True)
        yield server.endpoint


@pytest.fixture(scope="module")
def orphan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Give a replica that lost its primary, and may not answer from what it has."""
    with mortal_server(tmp_path_factory.mktemp("orphan"), "replica-serve-stale-data no") as server:
        with closing(client(server.endpoint)) as admin:
            admin.replicaof("127.0.0.1", str(pick_free_port()))
        yield server.endpoint


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Give a server with a password, to somebody who gives none."""
    with mortal_server(tmp_path_factory.mktemp("locked")) as server:
        yield replace(server.endpoint, password=None)


def assert_only(error: str, kind: FailureKind, driver: Driver, endpoint: Endpoint) -> None:
    """Load a server, and see nothing but that error."""
    with nothing_left_here():
        seen = drive_until(lambda seen: seen.failed > 0, few_handlers(driver=driver), endpoint)
    assert ({kind}, {error}) == (set(seen.failures), set(seen.error_replies))
    assert seen.failed == seen.error_replies[error]
    assert 0 == seen.completed


@every_driver
def test_a_server_that_has_not_loaded_its_keys_yet(loading: Endpoint, driver: Driver) -> None:
    """Its commands fail as LOADING, and none is taken for done."""
    assert_only("LOADING", FailureKind.REPLY_ERROR, driver, loading)


@every_driver
def test_a_replica_without_its_primary(orphan: Endpoint, driver: Driver) -> None:
    """Its commands fail as MASTERDOWN."""
    assert_only("MASTERDOWN", FailureKind.REPLY_ERROR, driver, orphan)


@every_driver
def test_a_server_that_wants_a_password(locked: Endpoint, driver: Driver) -> None:
    """Every connection is refused as NOAUTH, which is a failure of authentication."""
    assert_only("NOAUTH", FailureKind.AUTH, driver, locked)
