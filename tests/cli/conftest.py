"""What tests of the command line share: a real server that is not the command's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from valkeybench.server.embedded import embedded_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.server.endpoint import Endpoint


@pytest.fixture(scope="session")
def embedded() -> Iterator[Endpoint]:
    """Give a server that runs as long as the tests do."""
    with embedded_server() as endpoint:
        yield endpoint
