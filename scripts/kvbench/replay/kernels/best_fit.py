"""A best-fit allocator: holes are sorted by address, and each reservation takes the smallest one that fits it."""

from kvbench.replay.kernels.compiled import inner
from kvbench.replay.kernels.free_space import HOLES


@inner
def take(at, space, size):
    """Allocate `size` slots in the smallest hole that fits, the lowest of equal ones; its address, or -1."""
    best = -1
    for hole in range(at[HOLES]):
        room = space.hole_size[hole]
        if room >= size and (best < 0 or room < space.hole_size[best]):
            best = hole
    if best < 0:
        return -1
    address = space.hole_start[best]
    space.hole_start[best] += size
    space.hole_size[best] -= size
    if space.hole_size[best] == 0:
        at[HOLES] -= 1
        for hole in range(best, at[HOLES]):
            space.hole_start[hole], space.hole_size[hole] = space.hole_start[hole + 1], space.hole_size[hole + 1]
    return address


@inner
def give_back(at, space, address, size):
    """Free a range and merge it with adjacent holes."""
    place = at[HOLES]
    while place > 0 and space.hole_start[place - 1] > address:
        place -= 1
    joins_left = place > 0 and space.hole_start[place - 1] + space.hole_size[place - 1] == address
    joins_right = place < at[HOLES] and address + size == space.hole_start[place]
    if joins_left:
        space.hole_size[place - 1] += size
        if joins_right:
            space.hole_size[place - 1] += space.hole_size[place]
            at[HOLES] -= 1
            for hole in range(place, at[HOLES]):
                space.hole_start[hole], space.hole_size[hole] = space.hole_start[hole + 1], space.hole_size[hole + 1]
    elif joins_right:
        space.hole_start[place] = address
        space.hole_size[place] += size
    else:
        for hole in range(at[HOLES], place, -1):
            space.hole_start[hole], space.hole_size[hole] = space.hole_start[hole - 1], space.hole_size[hole - 1]
        space.hole_start[place], space.hole_size[place] = address, size
        at[HOLES] += 1


@inner
def largest(at, space):
    """Slots of the largest hole."""
    found = 0
    for hole in range(at[HOLES]):
        found = max(found, space.hole_size[hole])
    return found
