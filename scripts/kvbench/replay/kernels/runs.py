"""Rows of several steps, and their sums: what a kernel writes is added up without a row for each step.

A row has the columns of `result.COLUMNS` in its first step, and two more. In its later steps each running request gets
one token, and nothing else changes: `live` grows and `reserved` shrinks by `running` a step.
"""

from kvbench.replay.kernels.compiled import inner, outer

STEPS, STEP_NS = 15, 16  # number of steps of a row, and the time from one of them to the next
COLUMNS = 17

# Columns of the table of sums: start of a bin's first step, its steps, then `result.SUMMED` and `result.FREE`.
SUMS = 15
# Indices into a collector's scalars.
BIN, WIDTH, WAITING_STEPS, MAX_RUNNING, MAX_ALLOCATED = range(5)


@outer
def collect(rows, pool, table, at):
    """Add rows to the bins of `table`, shape (even number of bins, SUMS), and to the scalars `at`, shape (5,).

    All bins have `at[WIDTH]` steps, the last one fewer. If there are too many, neighbours are merged.
    """
    for number in range(len(rows)):
        row = rows[number]
        steps, done, allocated = row[STEPS], 0, 0
        for part in range(6, 12):
            allocated += row[part]
        at[WAITING_STEPS] += steps if row[2] > 0 else 0
        at[MAX_RUNNING] = max(at[MAX_RUNNING], row[1])
        at[MAX_ALLOCATED] = max(at[MAX_ALLOCATED], allocated)
        while done < steps:
            if table[at[BIN], 1] == at[WIDTH]:
                _next_bin(table, at)
            take = min(at[WIDTH] - table[at[BIN], 1], steps - done)
            _add(table[at[BIN]], row, done, take, pool - allocated)
            done += take


@inner
def _add(sums, row, first, steps, unused):
    """Add `steps` steps of a row, from its step `first` on."""
    if sums[1] == 0:
        sums[0] = row[0] + first * row[STEP_NS]
    sums[1] += steps
    for column in range(1, 4):
        sums[1 + column] += row[column] * steps
    for column in range(6, 14):
        sums[column - 1] += row[column] * steps
    moved = row[1] * (first * steps + steps * (steps - 1) // 2)  # from reserved to live
    sums[5] += moved
    sums[6] -= moved
    sums[13] += unused * steps
    sums[14] += unused * row[12] * steps


@inner
def _next_bin(table, at):
    at[BIN] += 1
    if at[BIN] < len(table):
        return
    half = len(table) // 2
    for one in range(half):
        start = table[2 * one, 0]
        for column in range(1, SUMS):
            table[one, column] = table[2 * one, column] + table[2 * one + 1, column]
        table[one, 0] = start
    table[half:] = 0
    at[BIN] = half
    at[WIDTH] *= 2
