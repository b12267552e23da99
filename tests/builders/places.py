"""Paths of the project files tests read, and the PYTHONPATH for importing the project and the builders."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
BENCHMARKS = ROOT / "benchmarks"
GALLERY = ROOT / "docs/gallery"
CONFIG = ROOT / "config.yaml"
SCHEMA = ROOT / "schemas/config.schema.yaml"
CARDS = ROOT / "config/cards.yaml"
CLAIMS = ROOT / "config/claims.yaml"
PUBLISHED = ROOT / "config/published.yaml"
SHAPES = ROOT / "config/shapes.yaml"
TARGETS = ROOT / "config/targets.yaml"
IMPORT_PATH = os.pathsep.join(map(str, (ROOT / "tests", SCRIPTS)))  # PYTHONPATH for a subprocess
