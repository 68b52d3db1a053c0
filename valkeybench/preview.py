"""What a run would do, found out without doing it: a server that is named is asked, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.load.caution import cautions
from valkeybench.load.preflight import WATCHERS, check_clients, check_room
from valkeybench.load.vetting import check_commands
from valkeybench.plan.footprint import footprint
from valkeybench.plan.preview import Preview
from valkeybench.plan.trial import make_plan
from valkeybench.server.neighbours import neighbours
from valkeybench.server.session import open_watched

if TYPE_CHECKING:
    from valkeybench.scenario.model import Scenario

KEY_PREFIX = "valkeybench:<run id>:"


def look_ahead(scenario: Scenario) -> Preview:
    """Say what a run would do, and what speaks against it.

    A server of our own is not started. One that is named is asked what a run asks it before
    the load: INFO, its settings, who is connected, whether it knows the commands. Raises
    ServerError and ScenarioError where the run would.
    """
    plan = make_plan(scenario, key_prefix=KEY_PREFIX)
    check_clients(plan, scenario.server.tls)
    keys = footprint(scenario, KEY_PREFIX)
    connections = plan.most_connections + WATCHERS
    if scenario.server.url is None:
        return Preview(plan=plan, connections=connections, keys=keys)
    needed, ways = plan.most_connections, scenario.axes.tls
    with open_watched(scenario.server, maxclients_needed=needed, tls=ways) as (serving, sampler):
        endpoint, facts = serving.endpoint(), sampler.facts()
        check_room(plan, facts)
        check_commands(endpoint, scenario, facts)
        return Preview(
            plan=plan,
            connections=connections,
            keys=keys,
            address=endpoint.address,
            cautions=tuple(cautions(endpoint, facts, neighbours(sampler), plan)),
        )
