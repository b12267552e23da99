"""A simple KV memory of several groups for the reference replay; it tracks every block and the token of every slot."""

from __future__ import annotations


class GroupMemory:
    """Blocks of every group in one pool. A table has None where a sliding group has given a block back."""

    hit_tokens = 0

    def __init__(self, own):
        self.own, self.size = own, own.block_size
        self.free = list(range(own.pool_slots // own.block_size))
        self.tables = {}  # job number -> a table of blocks for each group

    def most(self, window):
        """Blocks of a group that admission counts at most, as vLLM's SlidingWindowSpec."""
        if not window:
            return float("inf")
        tokens = min(window - 1 + self.own.max_step_tokens, self.own.max_length or float("inf"))
        return -(-tokens // self.size) + 1

    def admit(self, job, new_tokens, others):
        new = new_tokens(job.known)
        must = max(new, job.known) if self.own.prompt_must_fit else new
        need = sum(min(-(-must // self.size), self.most(window)) for window in self.own.windows)
        if need + (self.own.watermark_blocks if others else 0) > len(self.free):
            return None
        self.tables[job.number] = [[] for _ in self.own.windows]
        assert self.grow(job, new)
        return new

    def grow(self, job, new):
        self.slide(job)
        tables = self.tables[job.number]
        blocks = -(-(job.stored + new) // self.size)
        if sum(blocks - len(table) for table in tables) > len(self.free):
            return False
        for table in tables:
            table += [self.free.pop() for _ in range(blocks - len(table))]
        job.stored += new
        return True

    def slide(self, job):
        """Give back each block none of whose tokens the next token attends to, which is the one behind those that are
        stored for certain."""
        stored = job.certain if self.own.async_scheduling else job.stored
        for window, table in zip(self.own.windows, self.tables[job.number], strict=True):
            for place, block in enumerate(table):
                last = (place + 1) * self.size - 1
                if window and block is not None and last <= stored - window:
                    self.free.append(block)
                    table[place] = None

    def release(self, job):
        for table in self.tables.pop(job.number):
            self.free += [block for block in table if block is not None]
        job.stored = job.counted = job.certain = 0

    def row(self, running, waiting, refused):
        cells = [
            self.holds(job, window, place * self.size + slot)
            for job in running
            for window, table in zip(self.own.windows, self.tables[job.number], strict=True)
            for place, block in enumerate(table)
            if block is not None
            for slot in range(self.size)
        ]
        parts = [cells.count(part) for part in ("live", "reserved", "internal", "padding", "expired", "finished")]
        return *parts, int(refused), 0, len(self.free) * self.size

    def holds(self, job, window, position):
        """What the slot of a position holds, once the step has stored its tokens."""
        if job.complete:
            return "finished"
        if position >= job.stored:
            return "reserved" if position < job.final else "internal"
        return "expired" if window and position <= job.stored - window else "live"
