"""The report's tables: a selection of columns of results/tables, in reading order."""
