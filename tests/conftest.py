"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# An example may take as long as the machine needs: a deadline would fail tests on a busy one.
settings.register_profile("kvbench", deadline=None)
settings.load_profile("kvbench")
