"""Draw what the KV region held under each policy of a scenario."""

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.analysis.published import read_published
from kvbench.figures import replay_waste
from kvbench.figures.job import plot
from kvbench.replay.table import rows_of


def draw(snakemake):
    given, params = snakemake.input, snakemake.params
    published = {column: read_published(given.published, name) for column, name in replay_waste.PUBLISHED.items()}
    rows = rows_of(given.table, snakemake.wildcards.scenario)
    return replay_waste.draw(rows, published, params.options)


if __name__ == "__main__":
    plot(snakemake, draw)  # noqa: F821
