"""Draw how many requests ran at once under each policy of a scenario."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.analysis.published import read_published
from kvbench.figures import batched_requests
from kvbench.figures.job import plot
from kvbench.replay.table import rows_of


def draw(snakemake):
    given, params = snakemake.input, snakemake.params
    published = read_published(given.published, batched_requests.PUBLISHED)
    rows = rows_of(given.table, snakemake.wildcards.scenario)
    return batched_requests.draw(rows, published, params.options)


if __name__ == "__main__":
    plot(snakemake, draw)  # noqa: F821
