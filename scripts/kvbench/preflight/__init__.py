"""Preparations before the jobs run: the interpreter, the terminal output, imports."""
