"""Registers the profile of a deep run before hypothesis is told which to use."""

from __future__ import annotations

from hypothesis import settings

from tests.fuzz.effort import DEEP

settings.register_profile(DEEP)
