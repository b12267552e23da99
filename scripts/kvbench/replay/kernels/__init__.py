"""Compiled step loops, one a file; only `kvbench.replay.simulate` imports them, and numba with them.

Each file is complete in itself: numba's on-disk cache looks at the file of the compiled function alone and would not
notice a change in another one. An `advance` runs until its buffer of rows is full or every request has ended, and goes
on from there when called again. Everything is an int64: slots, tokens, nanoseconds.
"""

from numba import njit

# For what an `advance` calls: compiled into it, with no way in from Python, which takes a third less time.
inner = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
