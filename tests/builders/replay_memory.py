"""Simple KV memory models for the reference replay; they track every block and slot individually."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Job:
    """A request in the replay."""

    number: int
    prompt: int
    output: int
    arrival: int
    ids: tuple[int, ...]  # prompt token ids
    generated: int = 0
    stored: int = 0
    counted: int = 0  # stored at the end of the latest step
    certain: int = 0  # stored at the end of the one before
    blocks: list[int] = field(default_factory=list)
    slots: range = range(0)
    asked: int = 0
    start: int = -1
    first: int = -1
    finish: int = -1
    preempted: int = 0

    @property
    def known(self):
        return self.prompt + self.generated

    @property
    def complete(self):
        """Whether its last token has been computed or is being computed."""
        return self.generated == self.output

    @property
    def final(self):
        return self.prompt + self.output - 1


def asked(policy, job, max_length):
    """Slots of a request's reservation."""
    if policy == "oracle":
        return job.final
    if policy == "reserve-max":
        return max_length
    assumed = next(1 << level for level in range(40) if 1 << level >= job.output)
    return min(job.prompt + assumed - 1, max_length)


class BlockMemory:
    """Paged blocks; with sharing, a full block can be found by its text until it is reallocated."""

    def __init__(self, own):
        self.size, self.sharing, self.own = own.block_size, own.prefix_sharing, own
        self.total = own.pool_slots // own.block_size
        self.free = list(range(self.total))
        self.users = dict.fromkeys(self.free, 0)
        self.texts = {}  # block -> text, in insertion order
        self.hit_tokens = 0
        self.reserved = {}  # job number -> blocks

    def reservation(self, job):
        if self.own.reserves is None:
            return 0
        return -(-asked(self.own.reserves, job, self.own.max_length) // self.size)

    def text(self, job, place):
        """What a block's hash covers: the block and its whole prefix; generated text is unique to each request."""
        end = (place + 1) * self.size
        return job.ids[:end] if end <= job.prompt else ("request", job.number, place)

    def find(self, text):
        return next((block for block, known in self.texts.items() if known == text), None)

    def hits(self, job):
        found = []
        while self.sharing and (len(found) + 1) * self.size <= job.known - 1:
            block = self.find(self.text(job, len(found)))
            if block is None:
                break
            found.append(block)
        return found

    def admit(self, job, new_tokens, others):
        hits = self.hits(job)
        new = new_tokens(job.known - len(hits) * self.size)
        target = len(hits) * self.size + new
        must = max(target, job.known) if self.own.prompt_must_fit else target
        idle = sum(self.users[block] == 0 for block in hits)
        watermark = self.own.watermark_blocks if others else 0
        if sum(self.reserved.values()) + self.reservation(job) > self.total:
            return None
        if -(-must // self.size) - len(hits) + idle + watermark > len(self.free):
            return None
        self.reserved[job.number] = self.reservation(job)
        for block in hits:
            if self.users[block] == 0:
                self.free.remove(block)
            self.users[block] += 1
        job.blocks = list(hits)
        job.stored = len(hits) * self.size
        self.hit_tokens += job.stored
        assert self.grow(job, new)
        return new

    def grow(self, job, new):
        need = -(-(job.stored + new) // self.size) - len(job.blocks)
        if need > len(self.free):
            return False
        for _ in range(need):
            block = self.free.pop(0)
            self.texts.pop(block, None)
            self.users[block] = 1
            job.blocks.append(block)
        if self.sharing:
            for place in range(job.stored // self.size, (job.stored + new) // self.size):
                self.texts[job.blocks[place]] = self.text(job, place)
        job.stored += new
        return True

    def release(self, job):
        for block in reversed(job.blocks):
            self.users[block] -= 1
            if self.users[block] == 0:
                self.free.insert(len(self.free) if block in self.texts else 0, block)
        job.blocks, job.stored = [], 0
        self.reserved.pop(job.number, None)

    def row(self, running, waiting, refused):
        complete = [] if self.sharing else [job for job in running if job.complete]
        running = [job for job in running if job not in complete]
        finished = sum(len(job.blocks) for job in complete) * self.size
        filled = {(block, slot) for job in running for n, block in enumerate(job.blocks)
                  for slot in range(min(self.size, job.stored - n * self.size))}  # fmt: skip
        held = {block for job in running for block in job.blocks}
        reserved = sum(min(len(j.blocks) * self.size - j.stored, j.final - j.stored) for j in running)
        internal = len(held) * self.size - len(filled) - reserved
        return len(filled), reserved, internal, 0, 0, finished, int(refused), 0, len(self.free) * self.size


class SlotMemory:
    """A contiguous pool with one flag per slot: best fit scans every hole, buddy keeps free lists of chunks."""

    def __init__(self, own):
        self.own, self.hit_tokens = own, 0
        self.taken = [False] * own.pool_slots
        self.chunks = {level: [] for level in range(own.pool_slots.bit_length())}
        address = 0
        for level in reversed(self.chunks):
            if own.pool_slots & 1 << level:
                self.chunks[level].append(address)
                address += 1 << level

    def _asked(self, job):
        return asked(self.own.policy, job, self.own.max_length)

    def holes(self):
        found, begin = [], None
        for slot, taken in enumerate([*self.taken, True]):
            if taken and begin is not None:
                found.append(range(begin, slot))
            begin = None if taken else slot if begin is None else begin
        return found

    def place(self, size):
        if self.own.allocator == "best-fit":
            fitting = [hole for hole in self.holes() if len(hole) >= size]
            best = min(fitting, key=len, default=None)
            return best and range(best.start, best.start + size)
        wanted = next(level for level in range(40) if 1 << level >= size)
        level = next((n for n in self.chunks if n >= wanted and self.chunks[n]), None)
        if level is None:
            return None
        address = self.chunks[level].pop()
        while level > wanted:
            level -= 1
            self.chunks[level].append(address + (1 << level))
        return range(address, address + (1 << wanted))

    def admit(self, job, new_tokens, others):
        job.asked = self._asked(job)
        slots = self.place(job.asked)
        if slots is None:
            return None
        assert not any(self.taken[slot] for slot in slots)
        self.mark(slots, True)
        job.slots = slots
        job.stored = new_tokens(job.known)
        return job.stored

    def mark(self, slots, taken):
        for slot in slots:
            self.taken[slot] = taken

    def grow(self, job, new):
        job.stored += new
        return True

    def release(self, job):
        self.mark(job.slots, False)
        address, level = job.slots.start, len(job.slots).bit_length() - 1
        while self.own.allocator == "buddy" and address ^ 1 << level in self.chunks[level]:
            self.chunks[level].remove(address ^ 1 << level)
            address, level = min(address, address ^ 1 << level), level + 1
        self.chunks[level].append(address)

    def row(self, running, waiting, refused):
        free = self.taken.count(False)
        chunks = [1 << level for level, found in self.chunks.items() if found]
        largest = max(chunks if self.own.allocator == "buddy" else map(len, self.holes()), default=0)
        external = free if refused and free >= self._asked(waiting[0]) else 0
        live = sum(job.stored for job in running)
        final = sum(job.final for job in running)
        return live, final - live, sum(len(j.slots) for j in running) - final, 0, 0, 0, int(refused), external, largest
