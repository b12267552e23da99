# Run by Snakemake in the project's folder once the conda environment of cpu.yaml exists.
set -e
exec "$CONDA_PREFIX/bin/python" envs/bootstrap.py --flavour cpu --prefix "$CONDA_PREFIX"
