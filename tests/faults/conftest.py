"""What tests of faults share: a scene for the command that meets one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.aftermath import Scene, make_scene

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Give a command's directories, empty."""
    return make_scene(tmp_path)
