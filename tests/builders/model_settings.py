"""Constants for tests of model settings."""

from __future__ import annotations

WHERE = "config.yaml: models.m"  # prefix of error messages about a model named m
PINNED = "0123456789abcdef0123456789abcdef01234567"  # a commit hash, used as a pinned revision
