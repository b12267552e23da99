"""Words of a model's settings."""

from __future__ import annotations

WHERE = "config.yaml: models.m"  # what refusals of a model named m begin with
PINNED = "0123456789abcdef0123456789abcdef01234567"  # a revision
