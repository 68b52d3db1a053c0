"""The guided fuzzer tries every target, and finds a fault where there is one."""

from __future__ import annotations

import pytest

from tests.fuzz.guided import fuzz
from tests.fuzz.targets import TARGETS, Target
from valkeybench.units import parse_size


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_hundred_inputs_show_no_fault(name: str) -> None:
    """A smoke run: without atheris, and the same inputs each time."""
    target = TARGETS[name]
    inputs = 5 if target.is_slow else 100
    found = fuzz(target, inputs=inputs, seconds=60, seed=1)
    assert {} == found.faults
    assert inputs == found.tried
    assert 0 < found.reached


def test_a_fault_is_found_where_there_is_one() -> None:
    """Behind two conditions that no seed meets: what reaches further is kept and changed."""

    def check(data: bytes) -> bool:
        size = parse_size(data.decode("latin-1"))
        if size > 1 << 20:
            raise AssertionError("found")
        return True

    found = fuzz(Target(check=check, seeds=[b"1"]), inputs=20_000, seconds=60, seed=1)
    assert any(where.startswith("AssertionError") for where in found.faults)
    assert 1 < len(found.faults)
