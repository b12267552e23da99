"""docs/reproduce.md is what `make docs` writes, and names every claim and figure."""

from builders.places import ROOT

from bootstrap import SIZES
from kvbench.figures.registry import FIGURES
from kvbench.publication.figures import TOLERANCES, asked, drawing, published
from kvbench.publication.page import page

PAGE = ROOT / "docs/reproduce.md"


def test_the_page_is_what_the_code_writes(runs, claims):
    assert PAGE.read_text() == page(runs, claims, SIZES), "docs/reproduce.md is out of date; run `make docs`"


def test_every_claim_and_figure_has_one_row(claims):
    rows = PAGE.read_text().splitlines()
    for name in [*(claim["id"] for claim in claims.claims), *(entry.name for entry in FIGURES)]:
        assert sum(row.startswith(f"| `{name}`") for row in rows) == 1, name
    assert {entry.category for entry in FIGURES} == TOLERANCES.keys()


def test_links_of_the_page_lead_to_files():
    for place in (part.split(")")[0] for part in PAGE.read_text().split("](")[1:]):
        assert (PAGE.parent / place.partition("#")[0]).exists(), place


def test_a_figure_is_of_a_run_that_published_it_before_others(runs):
    found = drawing(runs)
    assert found["paging_price"][0].name == "h100-paging-price"
    assert [run.name for run in found["kv_dtype"]] == ["h100-caches", "caches"]  # not every CPU can do the second
    assert "kv_dtype" in published(runs["caches"])
    assert published(runs["full"]) == set()


def test_published_figures_are_asked_for_by_the_configuration(runs):
    """Apart from figures of runs that only the search for capacities adds."""
    for run in runs.values():
        names = {entry.name for entry in FIGURES} & published(run)
        assert names <= asked(run), run.name
