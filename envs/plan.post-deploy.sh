# Run by Snakemake in the project's folder once the conda environment of plan.yaml exists.
set -e
exec "$CONDA_PREFIX/bin/python" envs/bootstrap.py --flavour plan --prefix "$CONDA_PREFIX"
