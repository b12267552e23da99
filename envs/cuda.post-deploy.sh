# Run by Snakemake in the project's folder once the conda environment of cuda.yaml exists.
set -e
exec "$CONDA_PREFIX/bin/python" envs/bootstrap.py --flavour cuda --prefix "$CONDA_PREFIX"
