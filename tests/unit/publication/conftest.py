"""The runs and claims of this checkout, read once."""

import pytest
from builders.places import CLAIMS, ROOT

from kvbench.analysis.claims import read_claims
from kvbench.publication.runs import read_runs


@pytest.fixture(scope="session")
def runs():
    return read_runs(ROOT)


@pytest.fixture(scope="session")
def claims():
    return read_claims(CLAIMS)
