"""Checks that a schema cannot express: names and files that must exist, runs that must be comparable."""
