"""Benchmarks of the instrument: how their programs are called, their table, what they are held to."""
