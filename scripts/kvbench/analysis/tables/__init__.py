"""The tables in results/tables: one module per table makes a data frame from runs, with units in the column names."""
