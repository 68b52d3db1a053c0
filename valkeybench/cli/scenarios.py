"""`valkeybench scenarios`: what ships, what each shows, and the schema of a scenario file."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from valkeybench.cli.consoles import show as show_document
from valkeybench.report.scenarios import scenario_document, scenario_list
from valkeybench.scenario.library import find_scenario, read_text, seed_paths
from valkeybench.scenario.published import json_schema
from valkeybench.scenario.reader import parse_toml, read_scenario
from valkeybench.server.endpoint import endpoint_from_url

if TYPE_CHECKING:
    from pathlib import Path


def list_all() -> None:
    """List the shipped scenarios."""
    show_document(
        scenario_list(
            [
                read_scenario(parse_toml(read_text(path), source=str(path)), name=name)
                for name, path in seed_paths().items()
            ]
        )
    )


def show(name: str) -> None:
    """Show one scenario, and the file itself; passwords in it are stars."""
    path = find_scenario(name)
    text = read_text(path)
    scenario = read_scenario(parse_toml(text, source=str(path)), name=path.stem, source=path.name)
    if scenario.server.url is not None:
        address = endpoint_from_url(scenario.server).address
        text = text.replace(scenario.server.url, address)
        scenario = replace(scenario, server=replace(scenario.server, url=address))
    show_document(scenario_document(scenario))
    secrets = [
        secret.reveal()
        for secret in (scenario.server.password, scenario.server.tls.key_password)
        if secret
    ]
    for secret in secrets:
        text = text.replace(secret, "***")
    sys.stdout.write(f"\n{text if _is_masked(text, secrets, path) else _NOT_SHOWN}")


_NOT_SHOWN = "# The file is not shown: a secret in it is written in a way that cannot be masked.\n"


def _is_masked(text: str, secrets: list[str], path: Path) -> bool:
    """Tell whether nobody who reads the text as TOML finds a secret in it."""
    return not any(secret in str(parse_toml(text, source=str(path))) for secret in secrets)


def show_schema() -> None:
    """Print the JSON Schema of a scenario file."""
    sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")
