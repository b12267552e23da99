"""Builders shared by the tests: synthetic runs, models, tiny engines and copies of the project."""
