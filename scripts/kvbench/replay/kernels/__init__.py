"""Compiled step loops; only `kvbench.replay.start` imports them, and with them numba.

`advance` runs until its buffer of rows is full or every request has ended; the next call continues from there.
All values are int64: slots, tokens, nanoseconds.
"""
