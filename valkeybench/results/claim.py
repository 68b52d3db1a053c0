"""Which files runs under way keep their results in: two must not take turns at replacing one.

A claim is a name of the kernel's (an abstract unix socket), not a file: it is gone the moment
its process is, however that ends. Only Linux has them; elsewhere nobody is refused.
"""

from __future__ import annotations

import errno
import hashlib
import socket
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from valkeybench.errors import ScenarioError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def claimed(path: Path, *, flag: str = "--output") -> Iterator[None]:
    """Keep a file to oneself for a while; raises ScenarioError when another run has it."""
    if sys.platform != "linux":
        yield
        return
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind(_name(path))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reason = f"another run is under way and keeps its result in {path}"
                raise ScenarioError.one(flag, reason, "name another file, or wait for it") from None
        yield


def taken(path: Path) -> bool:
    """Tell whether a file is there, or a run that is under way is going to put one there."""
    if path.exists():
        return True
    with suppress(OSError, ScenarioError), claimed(path):
        return False
    return path.parent.is_dir()


def _name(path: Path) -> str:
    """Name a file by where it lies, whichever way one gets there."""
    directory = path.parent.stat()
    where = f"{directory.st_dev}/{directory.st_ino}/{path.name}"
    return f"\0valkeybench/{hashlib.sha256(where.encode('utf-8', 'surrogateescape')).hexdigest()}"
