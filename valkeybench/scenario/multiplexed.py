"""What one connection for all handlers, valkey-glide's, cannot do; and who else cannot have it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valkeybench.scenario.model import Client, Clients, Driver, Handshake, Pool

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from valkeybench.scenario.model import Scenario, TlsSettings

    Unfit = tuple[str, str, str]
    """The target of the lever that is unfit, the reason and a remedy."""

_BESIDE = "leave it out, or measure another client beside it (--client redis-py,valkey-glide)"


def over_one_connection_if_alone(scenario: Scenario, given: Collection[str]) -> Scenario:
    """Give the scenario the only policy there is for its only client, if it was left to choose."""
    if "axes.pool" in given or not _is_alone(scenario):
        return scenario
    return replace(scenario, axes=replace(scenario.axes, pool=(Pool.MULTIPLEXED,)))


def unfit_for_one_connection(scenario: Scenario, given: Collection[str]) -> Iterator[Unfit]:
    """Find what does not go together with one connection for all, or with a client without it.

    `given` are the targets that were given a value. What means nothing to valkey-glide is
    left to the clients beside it, and refused only where there is none.
    """
    axes = scenario.axes
    if not _takes_part(scenario):
        if Pool.MULTIPLEXED in axes.pool:
            yield (
                "axes.pool",
                "one connection for all handlers is what valkey-glide has, and no other client",
                "add --client valkey-glide, or choose from none, raising, blocking, fair",
            )
        return
    if _is_alone(scenario):
        yield from _meaningless(scenario, given)
    elif axes.pool == (Pool.MULTIPLEXED,):
        others = ", ".join(client for client in axes.client if client is not Client.VALKEY_GLIDE)
        yield (
            "axes.pool",
            f"leaves {others or 'the driver wire'} without a pool policy",
            "name one beside it, as in --pool blocking,multiplexed",
        )
    if True in axes.tls:
        for name in _unknown_to_glide(scenario.server.tls):
            yield f"server.tls.{name}", "valkey-glide has no such lever", "use another client"


def _meaningless(scenario: Scenario, given: Collection[str]) -> Iterator[Unfit]:
    axes = scenario.axes
    if "axes.pool" in given and axes.pool != (Pool.MULTIPLEXED,):
        reason = "valkey-glide has one connection for all handlers, and no pool"
        yield "axes.pool", reason, _BESIDE
    if Clients.SUCCESSIVE in axes.clients:
        yield "axes.clients", "to valkey-glide a new client is a new connection", _BESIDE
    if Handshake.MINIMAL in axes.handshake:
        yield "axes.handshake", "valkey-glide introduces itself in one way only", _BESIDE
    if True in axes.decode_responses:
        yield "axes.decode_responses", "valkey-glide decodes nothing", _BESIDE
    if any(axes.retries):
        yield "axes.retries", "valkey-glide tries no command again", _BESIDE


def _takes_part(scenario: Scenario) -> bool:
    axes = scenario.axes
    return Client.VALKEY_GLIDE in axes.client and {*axes.driver} != {Driver.WIRE}


def _is_alone(scenario: Scenario) -> bool:
    """Tell whether nobody else asks: no other client, and not the bare wire."""
    axes = scenario.axes
    return {*axes.client} == {Client.VALKEY_GLIDE} and Driver.WIRE not in axes.driver


def _unknown_to_glide(trust: TlsSettings) -> Iterator[str]:
    """Name the levers of TLS that are set and that valkey-glide does not have."""
    names = ("ca_path", "key_password", "include_verify_flags", "exclude_verify_flags")
    for name in (*names, "min_version", "ciphers"):
        if getattr(trust, name):
            yield name
    if trust.verify and not trust.check_hostname:
        yield "check_hostname"
