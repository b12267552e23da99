"""A slow, simple reference of replicas behind a router: at each arrival, what each replica would do is run anew."""

from __future__ import annotations

import numpy as np

from builders.replay_reference import reference


def fleet_reference(prompts, output_tokens, arrival_ns, own, routing):
    """(The replica of each request, per-request values by name) of prompts given as token ids."""
    sent = [[] for _ in range(routing.replicas)]

    def of_replica(numbers):
        mine = [[values[number] for number in numbers] for values in (prompts, output_tokens, arrival_ns)]
        return reference(*mine, own)[1]

    for number, now in enumerate(arrival_ns):
        in_flight = [sum(finish > now for finish in of_replica(mine)["finish_ns"]) if mine else 0 for mine in sent]
        earlier = [[prompts[one] for one in mine] for mine in sent]
        sent[_chosen(number, prompts[number], in_flight, earlier, own.block_size, routing)].append(number)
    replica = np.zeros(len(prompts), int)
    times: dict[str, np.ndarray] = {}
    for place, mine in enumerate(sent):
        replica[mine] = place
        for name, values in of_replica(mine).items():
            times.setdefault(name, np.zeros(len(prompts), int))[mine] = values
    return replica, times


def _chosen(number, prompt, in_flight, earlier, size, routing):
    replicas = range(routing.replicas)
    if routing.router == "round-robin":
        return number % routing.replicas
    least = min(replicas, key=lambda one: (in_flight[one], one))
    apart = max(in_flight) - min(in_flight) > routing.apart_requests
    if routing.router == "least-outstanding" or (apart and max(in_flight) > routing.apart_ratio * min(in_flight)):
        return least
    blocks = [_blocks(prompt, size) & set().union(*(_blocks(one, size) for one in mine)) for mine in earlier]
    longest = max(map(len, blocks))
    if longest * size > routing.match_share * len(prompt):
        return min(replicas, key=lambda one: (-len(blocks[one]), in_flight[one], one))
    return min(replicas, key=lambda one: (len(set().union(*(_blocks(p, size) for p in earlier[one]))), one))


def _blocks(prompt, size):
    """Each full block of a prompt, as all text up to its end."""
    return {tuple(prompt[:end]) for end in range(size, len(prompt) + 1, size)}
