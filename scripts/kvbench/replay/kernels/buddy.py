"""A buddy allocator: chunks are powers of two, split in halves and merged again, with a free list for each size."""

from kvbench.replay.kernels.compiled import inner


@inner
def take(space, size):
    """Allocate a chunk of the next power of two, split from the smallest free one that fits; its address, or -1."""
    wanted = level = level_of(size)
    while level < space.head.size and space.head[level] < 0:
        level += 1
    if level >= space.head.size:
        return -1
    address = space.head[level]
    _remove(space, address)
    while level > wanted:
        level -= 1
        push(space, address + (1 << level), level)
    return address


@inner
def give_back(space, address, level):
    """Free a chunk and merge it with its buddy as long as the buddy is free."""
    while level + 1 < space.head.size:
        buddy = address ^ (1 << level)
        if buddy >= space.level.size or space.level[buddy] != level:
            break
        _remove(space, buddy)
        address = min(address, buddy)
        level += 1
    push(space, address, level)


@inner
def largest(space):
    """Slots of the largest free chunk."""
    for level in range(space.head.size - 1, -1, -1):
        if space.head[level] >= 0:
            return 1 << level
    return 0


@inner
def push(space, address, level):
    head = space.head[level]
    space.level[address], space.after[address], space.before[address] = level, head, -1
    if head >= 0:
        space.before[head] = address
    space.head[level] = address


@inner
def _remove(space, address):
    level, left, right = space.level[address], space.before[address], space.after[address]
    if left >= 0:
        space.after[left] = right
    else:
        space.head[level] = right
    if right >= 0:
        space.before[right] = left
    space.level[address] = -1


@inner
def level_of(size):
    level = 0
    while 1 << level < size:
        level += 1
    return level
