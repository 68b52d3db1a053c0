"""What other machines cannot reach is refused, and what they are told in clear is known."""

from __future__ import annotations

import pytest

from valkeybench.errors import ScenarioError
from valkeybench.load.reach import check_reach, is_in_clear, scheduler_host
from valkeybench.scenario.model import ServerSettings

ELSEWHERE = ["192.0.2.7", "127.0.0.1"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [("tcp://h:1", "h"), ("tls://[::1]:8786", "::1"), ("tcp://10.0.0.1:8786", "10.0.0.1")],
)
def test_a_scheduler_s_host_is_read(address: str, expected: str) -> None:
    """IPv6 comes without brackets."""
    assert expected == scheduler_host(address)


@pytest.mark.parametrize("url", [None, "valkey://localhost:6379", "valkey://[::1]", "unix:///s"])
def test_a_server_only_we_can_reach_is_refused_to_others(url: str | None) -> None:
    """One of ours, and one named by an address that means another machine there."""
    check_reach(ServerSettings(url=url), ["127.0.0.1", "localhost"])
    with pytest.raises(ScenarioError, match=r"192\.0\.2\.7") as refused:
        check_reach(ServerSettings(url=url), ELSEWHERE)
    (problem,) = refused.value.problems
    assert "--place" == problem.place
    assert "--url" in problem.remedy


def test_a_server_all_can_reach_is_fine() -> None:
    """Wherever they are; many machines are not all listed when it is not."""
    check_reach(ServerSettings(url="valkey://db.example.org"), ELSEWHERE)
    many = [f"192.0.2.{n}" for n in range(1, 9)]
    with pytest.raises(ScenarioError, match=r"192\.0\.2\.3, …\)"):
        check_reach(ServerSettings(), many)


@pytest.mark.parametrize(
    ("address", "hosts", "expected"),
    [
        ("tcp://127.0.0.1:1", ["127.0.0.1"], False),
        ("tcp://10.0.0.1:1", [], True),
        ("tcp://127.0.0.1:1", ELSEWHERE, True),  # through a forwarded port
        ("tls://10.0.0.1:1", ELSEWHERE, False),
    ],
)
def test_what_leaves_the_machine_without_tls_is_in_clear(
    address: str, hosts: list[str], *, expected: bool
) -> None:
    """On its way to the scheduler, or from there to a worker."""
    assert expected == is_in_clear(address, hosts)
