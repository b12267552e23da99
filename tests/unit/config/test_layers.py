"""Modules of the configuration build on each other in one direction."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


def imported(path: Path) -> set[str]:
    """Modules that a file imports from, wherever in it."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def test_no_module_of_the_configuration_imports_itself_by_way_of_others() -> None:
    files = (SCRIPTS / "kvbench/config").rglob("*.py")
    modules = {".".join(path.relative_to(SCRIPTS).with_suffix("").parts): path for path in files}
    graph = {name: imported(path) & set(modules) for name, path in modules.items()}
    assert graph["kvbench.config.settings"]
    order = list(TopologicalSorter(graph).static_order())  # CycleError names a circle
    assert order.index("kvbench.config.runs") < order.index("kvbench.config.settings")
