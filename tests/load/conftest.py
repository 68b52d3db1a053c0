"""What tests of the load share: a real server nobody harms, and two certificate authorities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.load.authorities import Authority, make_authority
from valkeybench.server.embedded import embedded_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.server.endpoint import Endpoint


@pytest.fixture(scope="session")
def embedded() -> Iterator[Endpoint]:
    """Give a server that runs as long as the tests do."""
    with embedded_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make an authority that signs what servers show."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make another one, which signed nothing that any server shows."""
    return make_authority(tmp_path_factory.mktemp("stranger"))
