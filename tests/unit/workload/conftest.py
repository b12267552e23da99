"""What tests of workloads read text with."""

from __future__ import annotations

import pytest
from builders.models import byte_model

from kvbench.workload.vocabulary import Vocabulary, load_vocabulary


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    """That of a model with a token a byte."""
    return load_vocabulary(byte_model(tmp_path_factory.mktemp("model")))
