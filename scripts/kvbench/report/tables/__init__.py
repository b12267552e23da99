"""The report's tables: columns worth reading, in the order in which they are read."""
