"""Draw what the KV region held under each policy of a scenario."""

from kvbench.adapter import job
from kvbench.figures import replay_waste
from kvbench.figures.style import save
from kvbench.published import read_published
from kvbench.replay.table import rows_of


def main(snakemake):
    with job(snakemake):
        given, params = snakemake.input, snakemake.params
        published = {column: read_published(given.published, name) for column, name in replay_waste.PUBLISHED.items()}
        rows = rows_of(given.table, snakemake.wildcards.scenario)
        save(replay_waste.draw(rows, published, params.options), snakemake.output, params.dpi)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
