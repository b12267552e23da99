"""BibTeX from CITATION.cff."""

from __future__ import annotations

from pathlib import Path

from kvbench.report.cite import bibtex

PAPER = """@inproceedings{kwon2023,
  title = {Efficient Memory Management for Large Language Model Serving with PagedAttention},
  author = {Kwon, Woosuk and Li, Zhuohan and """


def test_the_project_and_the_paper() -> None:
    own, paper = bibtex().split("\n\n")
    assert own.startswith("@software{kvbench,\n  title = {kvbench: what PagedAttention buys")
    assert "  author = {{The kvbench authors}},\n  version = {" in own
    assert paper.startswith(PAPER)
    assert paper.endswith("  year = {2023},\n  doi = {10.1145/3600006.3613165},\n}")


def test_a_citation_without_references(tmp_path: Path) -> None:
    path = tmp_path / "CITATION.cff"
    path.write_text("title: t\nversion: 1\nauthors: [{family-names: A, given-names: B}]\n")
    assert bibtex(path) == "@software{kvbench,\n  title = {t},\n  author = {A, B},\n  version = {1},\n}"
