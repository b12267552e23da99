"""Compiled step loops; they are imported, and with them numba, only when a replay begins.

`advance` runs until its buffer of rows is full or every request has ended; the next call continues from there.
All values are int64: slots, tokens, nanoseconds. What is kept of each request is int32 where it is a length, an address
or a number of preemptions, since a fleet's trace has ten million requests.
"""
