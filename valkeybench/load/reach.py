"""Whether processes on other machines can reach the server, and whether its password is safe."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from valkeybench.errors import ScenarioError
from valkeybench.server.endpoint import endpoint_from_url, is_loopback

if TYPE_CHECKING:
    from collections.abc import Collection

    from valkeybench.scenario.model import ServerSettings


def check_reach(server: ServerSettings, hosts: Collection[str]) -> None:
    """Refuse a server that only this machine can reach when other hosts are to send the load.

    Raises ScenarioError.
    """
    others = sorted(host for host in hosts if not is_loopback(host))
    if not others:
        return
    remedy = "name a server they all reach with --url, or use workers of this machine (127.0.0.1)"
    where = f"on other machines ({', '.join(others[:3])}{', …' if len(others) > 3 else ''})"  # noqa: PLR2004 - enough to recognise them by
    if server.url is None:
        raise ScenarioError.one(
            "--place",
            f"processes {where} cannot reach a private server, which listens on loopback only",
            remedy,
        )
    endpoint = endpoint_from_url(server)
    if endpoint.path is not None or is_loopback(endpoint.host):
        raise ScenarioError.one(
            "--place",
            f"for processes {where}, {endpoint.address} is another server, or none",
            remedy,
        )


def scheduler_host(address: str) -> str:
    """Give the host in the address of a scheduler."""
    return urlsplit(address).hostname or ""


def is_in_clear(address: str, hosts: Collection[str]) -> bool:
    """Whether what is said to a scheduler, or by it to hosts, can be read on the way."""
    everybody = {scheduler_host(address), *hosts}
    return address.startswith("tcp://") and not all(map(is_loopback, everybody))
