"""Who else is connected to a server is told apart from ourselves."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from tests.server.processes import client, wait_until
from tests.server.started import PASSWORD, started
from valkeybench.server import neighbours as module
from valkeybench.server.neighbours import neighbours
from valkeybench.server.sampler import ServerSampler


def test_others_are_listed_and_we_are_not() -> None:
    """Nor is another connection of ours; somebody of another name is, from here as well."""
    with started() as endpoint, ServerSampler(endpoint) as sampler, ServerSampler(endpoint):
        assert [[]] == neighbours(sampler)
        with closing(client(endpoint)) as other:
            other.client_setname("web")
            (seen,) = neighbours(sampler)
            assert seen is not None
            assert [("web", "127.0.0.1")] == [(each.name, each.address) for each in seen]
        wait_until(lambda: neighbours(sampler) == [[]])


@pytest.mark.parametrize(("refused", "expected"), [("client|id", [[]]), ("client|list", [None])])
def test_what_we_may_not_ask_is_made_do_without(refused: str, expected: list[object]) -> None:
    """Without our number we know ourselves by name; without the list we know of nobody."""
    with started() as endpoint:
        with closing(client(endpoint)) as admin:
            admin.acl_setuser(
                "guest",
                enabled=True,
                passwords=[f"+{PASSWORD}"],
                categories=["+@all"],
                commands=[f"-{refused}"],
            )
        with ServerSampler(replace(endpoint, username="guest")) as sampler:
            wait_until(lambda: neighbours(sampler) == expected)


def test_a_crowd_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listing a hundred thousand clients would hold the server up."""
    monkeypatch.setattr(module, "_MOST_LISTED", 1)
    with started() as endpoint, ServerSampler(endpoint) as sampler:
        assert [[]] == neighbours(sampler)
        with closing(client(endpoint)) as other:
            other.ping()
            assert [None] == neighbours(sampler)
