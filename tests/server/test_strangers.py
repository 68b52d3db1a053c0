"""Another user of this machine cannot use our own server, nor read what it needs to run.

As root the test becomes nobody and tries; as anybody else it tries without the password, and
looks at what the files would let others do.
"""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from stat import S_IMODE, S_ISSOCK
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.processes import client, on_linux, traces_of
from valkeybench.server.embedded import embedded_serving
from valkeybench.server.serving import Serving, TlsOffer

if TYPE_CHECKING:
    from collections.abc import Iterator

STRANGER = """\
import json, os, socket, ssl, sys
plain, secured, directory, pids, user = json.loads(sys.argv[1])
"loaded-while-we-may-read-it".encode("idna")
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
if user is not None:
    os.setgroups([])
    os.setgid(user[1])
    os.setuid(user[0])

def said(connection, words):
    connection.settimeout(10)
    connection.sendall(words)
    return connection.recv(100).decode()

def outcome(try_it):
    try:
        return repr(try_it())
    except OSError as error:
        return type(error).__name__

answers = []
for words in (b"PING\\r\\n", b"HELLO 3\\r\\n", b"AUTH guessed\\r\\n", b"CONFIG GET *\\r\\n"):
    answers.append(said(socket.create_connection(plain), words))
    if secured:
        raw = socket.create_connection(secured)
        answers.append(said(context.wrap_socket(raw), words))
secrets = [outcome(lambda: os.listdir(directory))]
secrets += [outcome(lambda pid=pid: open(f"/proc/{pid}/environ").read()) for pid in pids]
print(json.dumps([answers, secrets]))
"""


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    """Run a server of ours with TLS."""
    with embedded_serving(tls=TlsOffer()) as both_ways:
        yield both_ways


def stranger(serving: Serving) -> tuple[list[str], list[str]]:
    """Be somebody else, if we may; give what the server answered, and what could be read."""
    plain, secured = serving.endpoint(tls=False), serving.endpoint(tls=True)
    traces = traces_of(plain)
    nobody = pwd.getpwnam("nobody")
    user = [nobody.pw_uid, nobody.pw_gid] if os.geteuid() == 0 else None
    place: list[Any] = [
        [plain.host, plain.port],
        [secured.host, secured.port],
        str(traces.directory),
        [traces.server, traces.guardian],
        user,
    ]
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-c", STRANGER, json.dumps(place)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert 0 == told.returncode, told.stderr
    answers, secrets = json.loads(told.stdout)
    return answers, secrets


@on_linux
@pytest.mark.tls
def test_a_stranger_is_answered_nothing_and_reads_nothing(serving: Serving) -> None:
    """NOAUTH or WRONGPASS, plain and over TLS; directory and environments are closed to nobody."""
    answers, secrets = stranger(serving)
    assert 8 == len(answers)
    assert all(answer.startswith(("-NOAUTH", "-WRONGPASS")) for answer in answers), answers
    if os.geteuid() == 0:
        assert ["PermissionError"] * 3 == secrets


@on_linux
def test_nobody_else_may_open_what_the_server_needs(serving: Serving) -> None:
    """A directory of 0700, files of 0600, and no socket in it or anywhere else."""
    directory = traces_of(serving.endpoint(tls=False)).directory
    assert 0o700 == S_IMODE(directory.stat().st_mode)
    files = list(directory.iterdir())
    assert files
    assert {0o600} == {S_IMODE(path.stat().st_mode) for path in files}
    assert not any(S_ISSOCK(path.stat().st_mode) for path in files)
    with closing(client(serving.endpoint(tls=False))) as admin:
        told = admin.config_get("unixsocket", "bind", "protected-mode")
    assert ("", "127.0.0.1") == (told["unixsocket"], told["bind"])
    assert Path(directory).owner() == pwd.getpwuid(os.geteuid()).pw_name
