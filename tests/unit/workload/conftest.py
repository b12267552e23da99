"""Fixtures for workload tests."""

from __future__ import annotations

import pytest
from builders.models import byte_model

from kvbench.workload.vocabulary import Vocabulary, load_vocabulary


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    """The vocabulary of a model with one token per byte."""
    return load_vocabulary(byte_model(tmp_path_factory.mktemp("model")))
