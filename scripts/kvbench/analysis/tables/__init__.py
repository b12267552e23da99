"""The tables under results/tables: one module a table, runs in, data frame out, units in the column names."""
