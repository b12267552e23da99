"""Compiled step loops, one a file; only `kvbench.replay.simulate` imports them, and numba with them.

Each file is complete in itself: numba's on-disk cache looks at the file of the compiled function alone and would not
notice a change in another one. An `advance` runs until its buffer of rows is full or every request has ended, and goes
on from there when called again. Everything is an int64: slots, tokens, nanoseconds.
"""
