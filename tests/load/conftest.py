"""What tests of the load share: a real server nobody harms, and two certificate authorities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.load.authorities import Authority, make_authority
from valkeybench.server.embedded import embedded_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.load.loads import AnyClient
    from valkeybench.server.endpoint import Endpoint


@pytest.fixture(scope="session")
def embedded() -> Iterator[Endpoint]:
    """Give a server that runs as long as the tests do."""
    with embedded_server() as endpoint:
        yield endpoint


@pytest.fixture
def server(embedded: Endpoint) -> Iterator[AnyClient]:
    """Give a client of the tests' own, whose replies are text, and a server without keys."""
    settings: dict[str, Any] = embedded.connection_kwargs()
    with redis.Redis(**settings, decode_responses=True) as client:
        client.flushall()
        yield client
        client.flushall()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make an authority that signs what servers show."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make another one, which signed nothing that any server shows."""
    return make_authority(tmp_path_factory.mktemp("stranger"))
