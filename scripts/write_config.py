"""Rule write_config: write the configuration in force beside the results."""

from typing import Any

from kvbench.adapter import job
from kvbench.files import write_text


def main(snakemake: Any) -> None:
    import yaml

    with job(snakemake):
        write_text(
            snakemake.output.config, yaml.safe_dump(snakemake.params.config, sort_keys=False, allow_unicode=True)
        )


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
