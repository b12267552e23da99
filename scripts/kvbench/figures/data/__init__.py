"""What the figures draw, read from runs and tables: with `from_job` the only code under figures/ that opens files."""
