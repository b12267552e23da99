"""Step loops, compiled; only `kvbench.replay.start` imports them, and numba with them.

An `advance` runs until its buffer of rows is full or every request has ended, and goes on from there when called again.
Everything is an int64: slots, tokens, nanoseconds.
"""
