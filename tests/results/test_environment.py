"""The environment says what must agree for two runs to compare, and nothing personal."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from valkeybench.results.environment import CLIENT_PACKAGES, read_environment

if TYPE_CHECKING:
    from collections.abc import Iterator


def words(value: Any) -> Iterator[str]:  # noqa: ANN401 - anything JSON can hold
    """Give every string in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from words(inner)


def test_it_is_what_numbers_depend_on() -> None:
    """Exactly these facts, in what JSON can hold."""
    environment = read_environment()

    assert {
        "python", "implementation", "gil", "debug_build", "packages", "system", "kernel",
        "machine", "cpu", "cpus", "cpus_usable", "load_average", "open_files_limit", "port_range",
        "somaxconn", "tcp_tw_reuse",
    } == set(environment)  # fmt: skip
    assert environment == json.loads(json.dumps(environment, allow_nan=False))


def test_its_facts_are_this_machines() -> None:
    """Versions are those that run here, and a package that is not there is unknown."""
    environment = read_environment()

    assert platform.python_version() == environment["python"]
    assert set(CLIENT_PACKAGES) == set(environment["packages"])
    assert np.__version__ == environment["packages"]["numpy"]
    assert 1 <= environment["cpus_usable"] <= environment["cpus"] == os.cpu_count()
    assert environment["open_files_limit"] > 0


def test_nothing_personal_is_in_it() -> None:
    """No host name, no user, no path."""
    for word in words(read_environment()):
        for private in (socket.gethostname(), platform.node(), getpass.getuser()):
            assert None is re.search(rf"(?<![\w.]){re.escape(private)}(?![\w.])", word)
        assert not re.search(r"(?<![\w.])/", word)
        assert str(Path.home()) == "/" or str(Path.home()) not in word
