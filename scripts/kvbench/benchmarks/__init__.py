"""Benchmarks of kvbench itself: running their programs, their table, and their targets."""
