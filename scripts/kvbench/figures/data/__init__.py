"""Reads the data of figures from runs and tables; besides `from_job` the only code in figures/ that opens files."""
