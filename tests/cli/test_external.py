"""Somebody else's server is measured over every way there is to it."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import (
    TINY,
    Ended,
    descendants,
    external,
    files_in,
    kept_run,
    running,
    valkeybench,
)
from tests.server.processes import client, wait_until
from tests.server.started import PASSWORD, make_papers, started
from valkeybench.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from valkeybench.results.runfile import RunFile
    from valkeybench.server.endpoint import Endpoint

POOLED = ("run", *TINY, "--pool", "blocking", "-o", "run.json")


def measured(directory: Path, *words: str, **variables: str) -> RunFile:
    """Measure a little over a pool; see that nothing failed, and the password is nowhere."""
    ended = valkeybench(directory, *POOLED, *words, **variables)
    assert 0 == ended.code, ended.err
    assert_nowhere(PASSWORD, ended, directory)
    run = kept_run(directory / "run.json")
    assert "complete" == run.status
    for case in run.cases:
        assert case.summary is not None
        assert 0 < case.summary.completed
        assert {} == case.summary.failures
    return run


def assert_nowhere(secret: str, ended: Ended, directory: Path) -> None:
    """See that a secret is in nothing that was said or kept."""
    assert secret not in ended.out + ended.err
    for name in files_in(directory):
        assert secret not in (directory / name).read_text(encoding="utf-8")


def address_of(run: RunFile) -> str:
    """Say where the server was, by the run file."""
    server = run.environment["server"]
    assert isinstance(server, dict)
    return str(server["address"])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("scheme", ["valkey", "redis"])
def test_over_tcp(tmp_path: Path, scheme: str, host: str) -> None:
    """By either name of the scheme, IPv4 and IPv6; the server confirms the connections."""
    with started(host=host) as endpoint:
        url = re.sub("^valkey", scheme, endpoint.address)
        run = measured(tmp_path, "--url", url, VALKEYBENCH_PASSWORD=PASSWORD)
    assert endpoint.address == address_of(run)
    (trial,) = run.cases[0].trials
    assert trial.server is not None
    assert 2 == trial.server.connections_counted


@pytest.mark.tls
@pytest.mark.parametrize(("scheme", "host"), [("valkeys", "127.0.0.1"), ("rediss", "::1")])
def test_over_tls(tmp_path: Path, scheme: str, host: str) -> None:
    """Verified against the CA that was named, without --tls being said."""
    papers = make_papers(tmp_path_apart(tmp_path))
    with started(host=host, papers=papers) as endpoint:
        url = re.sub("^valkeys", scheme, endpoint.address)
        run = measured(
            tmp_path, "--url", url, "--cacert", str(papers.ca), VALKEYBENCH_PASSWORD=PASSWORD
        )
    assert [True] == [case.axes["tls"] for case in run.cases]
    assert [] == [w.code for w in run.warnings if w.code in ("tls_relay", "insecure")]
    assert (run.cases[0].trials[0].client.prewarm or pytest.fail("no pool")).phases["tls"].count


def tmp_path_apart(directory: Path) -> Path:
    """Give a directory beside this one, for what is not the command's."""
    apart = directory.with_name(f"{directory.name}-apart")
    apart.mkdir()
    return apart


@pytest.mark.tls
def test_mutual_tls(tmp_path: Path) -> None:
    """With the client's certificate and key from files."""
    papers = make_papers(tmp_path_apart(tmp_path))
    with started("tls-auth-clients yes", papers=papers) as endpoint:
        run = measured(
            tmp_path,
            *("--url", endpoint.address, "--cacert", str(papers.ca)),
            *("--cert", str(papers.client), "--key", str(papers.client)),
            VALKEYBENCH_PASSWORD=PASSWORD,
        )
    assert endpoint.address == address_of(run)


def test_over_a_unix_socket(tmp_path: Path) -> None:
    """There are no ports, and nothing is said of them."""
    with started(unix=True) as endpoint:
        run = measured(tmp_path, "--url", f"unix://{endpoint.path}", VALKEYBENCH_PASSWORD=PASSWORD)
    assert endpoint.address == address_of(run)


@pytest.mark.parametrize("given", ["variable", "file", "url", "url variable", "scenario file"])
def test_a_password_is_taken_from_anywhere_and_shown_nowhere(tmp_path: Path, given: str) -> None:
    """From the environment, a file, the URL, or a scenario that names the file."""
    secret = tmp_path_apart(tmp_path) / "secret"
    secret.write_text(f"{PASSWORD}\n", encoding="utf-8")
    scenario = secret.with_name("mine.toml")
    with started() as endpoint:
        address = endpoint.address
        scenario.write_text(
            f"[server]\nurl = '{address}'\npassword_file = '{secret}'\n", encoding="utf-8"
        )
        in_url = address.replace("//", f"//:{PASSWORD}@")
        ways: dict[str, tuple[Sequence[str], dict[str, str]]] = {
            "variable": (("--url", address), {"VALKEYBENCH_PASSWORD": PASSWORD}),
            "file": (("--url", address, "--password-file", str(secret)), {}),
            "url": (("--url", in_url), {}),
            "url variable": ((), {"VALKEYBENCH_URL": in_url}),
            "scenario file": ((str(scenario),), {}),
        }
        words, variables = ways[given]
        run = measured(tmp_path, *words, **variables)
    assert address == address_of(run)


@pytest.mark.parametrize("protocol", [2, 3])
def test_connections_are_known_by_name_and_protocol(tmp_path: Path, protocol: int) -> None:
    """As the server's own list of clients has them, while they work."""
    with started() as endpoint, closing(client(endpoint)) as admin:
        words = (*POOLED, "--protocol", str(protocol), "--client-name", "web-7")
        with running(tmp_path, *words, "--duration", "2s", **external(endpoint)) as run:
            wait_until(lambda: len(ours(admin.client_list())) == 2)
            listed = ours(admin.client_list())
            assert 0 == run.ended().code
    assert [] == list(descendants(run.pid))
    # Servers older than 7 do not list the protocol.
    assert {str(protocol)} >= {each["resp"] for each in listed if "resp" in each}


def ours(clients: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Pick the load's clients by their name; the one that loaded the keys has said SET last."""
    return [each for each in clients if each["name"] == "web-7" and each["cmd"] == "get"]


def test_only_what_is_asked_for_is_left_behind(tmp_path: Path) -> None:
    """Their keys and settings stay as they were, ours are gone, and no connection is open."""
    with started() as endpoint, closing(client(endpoint)) as admin:
        admin.set("theirs", "1")
        before = settings(endpoint)
        measured(tmp_path, "--command", "SET mine:{0..9} {value}", **external(endpoint))
        assert [b"theirs"] == admin.keys("*")
        assert before == settings(endpoint)
        wait_until(lambda: admin.info("clients")["connected_clients"] == 1)


def settings(endpoint: Endpoint) -> dict[str, str]:
    """Give the whole of a server's configuration."""
    with closing(client(endpoint)) as asking:
        return {str(k): str(v) for k, v in asking.config_get("*").items()}


@pytest.mark.parametrize(
    ("words", "place", "said"),
    [
        ("--url valkeys://h --tls off", "--tls", "the URL names a connection over it"),
        ("--url valkey://h --tls on", "--tls", "the URL names a connection without it"),
        ("--url valkeys://h --tls both", "--tls", "cannot both be measured"),
        ("--url valkey://h --insecure", "--insecure", "without it"),
        ("--url unix:///x.sock --tls on", "--tls", "without it"),
        ("--url valkeys://h --mutual-tls", "--mutual-tls", "a server of our own"),
        ("--url valkeys://h --tls-version 1.3", "--tls-version", "a server of our own"),
    ],
)
def test_what_contradicts_the_url_is_refused(
    tmp_path: Path, words: str, place: str, said: str
) -> None:
    """Before anybody is contacted, with what to write instead."""
    ended = valkeybench(tmp_path, "run", *TINY, *words.split())
    assert ExitCode.USAGE == ended.code, ended.err
    assert ended.err.startswith(f"{place}: ")
    assert said in ended.err
    assert [] == files_in(tmp_path)
