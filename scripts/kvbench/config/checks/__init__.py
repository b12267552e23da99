"""What a schema cannot express: names that must exist, runs that must be comparable, files that must be there."""
