"""A slow, simple reference replay: one step at a time, with plain objects and lists."""

from __future__ import annotations

from builders.replay_groups import GroupMemory
from builders.replay_memory import BlockMemory, Job, SlotMemory


def reference(prompts, output_tokens, arrival_ns, own, clock=None, noise=lambda: 1):
    """Replay prompts given as token ids; return (rows in COLUMNS order, per-request values by name).

    `clock` has the start of each step in ns, in place of the step time; `noise` multiplies the duration of a step.
    """
    jobs = [
        Job(i, len(ids), int(output), int(arrival), tuple(ids))
        for i, (ids, output, arrival) in enumerate(zip(prompts, output_tokens, arrival_ns, strict=True))
    ]
    served = _padded if own.policy.startswith("hf-") else _iterations
    rows = list(served(jobs, own, Time(own.step_time, clock, noise)))
    return rows, {
        "start_ns": [j.start for j in jobs],
        "first_token_ns": [j.first for j in jobs],
        "finish_ns": [j.finish for j in jobs],
        "preemptions": [j.preempted for j in jobs],
    }


PARTS = ("live", "reserved", "internal", "padding", "expired", "finished")


class Time:
    """When steps begin: after the former one's cost, or as a clock says, which ends the replay when it ends."""

    def __init__(self, cost, clock, noise):
        self.cost, self.noise, self.clock = cost, noise, None if clock is None else list(clock)
        self.now = 0 if clock is None else self.clock.pop(0)
        self.over, self.computed = False, 0

    def idle_until(self, arrival):
        if self.clock is None:
            self.now = max(self.now, arrival)

    def step(self, sequences, tokens, ahead=False):
        """`ahead`: the next step begins when the one before has been computed, and this one is computed after that."""
        cost = self.cost
        if self.clock is None:
            spent = cost.constant_ns + cost.per_sequence_ns * sequences + cost.per_token_ns * tokens
            spent += cost.prefill_ns * (tokens > sequences)
            spent = round(spent * self.noise())
            if ahead:
                self.now = max(self.now, self.computed)
                self.computed = self.now + (spent if tokens else 0)
            else:
                self.now += spent
        elif self.clock:
            self.now = self.clock.pop(0)
        else:
            self.over = True


def _iterations(jobs, own, time):
    blocks = BlockMemory if own.windows == (0,) else GroupMemory
    memory = blocks(own) if own.policy == "paged" else SlotMemory(own)
    future, waiting, running = list(jobs), [], []
    preemptions, under_way = 0, []
    while (future or waiting or running) and not time.over:
        if not waiting and not running:
            time.idle_until(future[0].arrival)
        now = time.now
        while future and future[0].arrival <= now:
            waiting.append(future.pop(0))
        limit = own.long_prefill_tokens if len(waiting) + len(running) > 1 else 0
        budget, scheduled, evicted, refused = own.max_step_tokens, [], False, False

        def granted(wanted, limit=limit):
            return min(wanted, limit or wanted, budget)  # noqa: B023

        for job in running[:]:
            if budget == 0 or job not in running:
                break
            if job.complete:
                continue
            new = granted(job.known - job.stored)
            while job in running and not memory.grow(job, new):
                victim = running.pop()
                memory.release(victim)
                victim.preempted += 1
                preemptions += 1
                waiting.insert(0, victim)
                evicted = True
            if job in running:
                budget -= new
                scheduled.append(job)
        while not evicted and waiting and budget and len(running) < own.max_running:
            new = memory.admit(waiting[0], granted, bool(running))
            if new is None:
                refused = True
                break
            job = waiting.pop(0)
            job.start = now if job.start < 0 else job.start
            running.append(job)
            scheduled.append(job)
            budget -= new
        tokens = own.max_step_tokens - budget
        yield (now, len(running), len(waiting), tokens, preemptions, memory.hit_tokens,
               *memory.row(running, waiting, refused or evicted))  # fmt: skip
        time.step(len(scheduled), tokens, own.async_scheduling)
        computed = []
        for job in scheduled:
            if job.stored == job.known:
                job.generated += 1
                computed.append((job, job.generated))
        for job in running:
            job.certain, job.counted = job.counted, job.stored
        seen, under_way = (under_way, computed) if own.async_scheduling else (computed, [])
        for job, token in seen:
            job.first = time.now if job.first < 0 else job.first
            if token == job.output:
                job.finish = time.now
                if job in running:
                    memory.release(job)
                (running if job in running else waiting).remove(job)


def _padded(jobs, own, time):
    future = list(jobs)
    static = own.policy == "hf-static"
    longest_row = own.max_length if static or own.max_context is None else own.max_context
    while future and not time.over:
        time.idle_until(future[0].arrival)
        now = time.now
        batch, refused = [], False
        for job in future:
            if job.arrival > now or len(batch) == own.max_running:
                break
            wider = [*batch, job]
            p, o = max(j.prompt for j in wider), max(j.output for j in wider)
            row = -(-own.max_length // own.block_size) * own.block_size if static else p + o - 1
            if len(wider) * row > own.pool_slots or (batch and p + o > longest_row):
                refused = True
                break
            batch = wider
        future = future[len(batch) :]
        if not batch:
            yield (now, *[0] * 13, own.pool_slots)
            time.step(0, 0)
            continue
        for job in batch:
            job.start = now
        widest = max(j.prompt for j in batch)
        longest = max(j.output for j in batch)
        for step in range(1, longest + 1):
            width = own.max_length if static else widest + step - 1
            cells = []
            for job in batch:
                if step > job.output:
                    cells += ["finished"] * width
                    continue
                stored = job.prompt + step - 1
                row = ["padding"] * (widest - job.prompt) + ["live"] * stored
                row += ["reserved"] * min(job.final - stored, width - len(row))
                cells += row + ["internal"] * (width - len(row))
            running = [job for job in batch if step <= job.output]
            tokens = sum(job.prompt if step == 1 else 1 for job in running)
            arrived = sum(job.arrival <= now for job in future)
            parts = (cells.count(part) for part in PARTS)
            yield (now, len(running), arrived, tokens, 0, 0, *parts, int(refused), 0, own.pool_slots - len(cells))
            computed = len(batch) * (widest if step == 1 else 1)
            time.step(len(batch), computed)
            now = time.now
            for job in batch:
                job.first = now if job.first < 0 else job.first
                job.finish = now if step == longest else -1
            if time.over:
                break
