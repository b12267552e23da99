// The memory that cards have left for KV cache beside weights, as kvbench/capacity/memory.py. Bytes are BigInt.

const GIB = 2 ** 30;

function roomOf(plan, data) {
  const shape = shapeOf(plan, data.shapes);
  const { dtypes, kv_dtypes } = data;
  const kvItemsize = kv_dtypes[plan.kv_dtype] || dtypes[plan.dtype]; // auto: that of the weights
  const itemsize = dtypes[plan.dtype];
  const usableBytes = usableOf(plan.card);
  const cards = plan.cards_per_model;
  const weightsBytes = BigInt(shape.parameters) * BigInt(itemsize);
  const kvBytes = BigInt(cards) * BigInt(usableBytes) - weightsBytes;
  const slotBytes = BigInt(slotElements(shape.groups)) * BigInt(kvItemsize);
  const paging = vllmPaging(shape.groups);
  const slots = (kvBytes > 0n ? kvBytes : 0n) / slotBytes;
  return {
    shape,
    card: plan.card,
    cards,
    itemsize,
    kvItemsize,
    usableBytes,
    weightsBytes,
    kvBytes,
    slotBytes,
    slots,
    paging,
  };
}

// Bytes of a card for weights and KV cache.
function usableOf({ memory_gib, memory_fraction, activation_reserve }) {
  const memory = roundEven(memory_gib * GIB);
  return roundEven(memory * memory_fraction) - roundEven(memory * activation_reserve);
}

// As Python's round: a half goes to the even neighbour.
function roundEven(value) {
  const down = Math.floor(value);
  const above = value - down;
  if (above !== 0.5) return above < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}

// Bytes of a block: with several groups, a page that any of them may hold.
function blockBytes(room, blockSize) {
  return BigInt(blockSize) * BigInt(room.paging.pageUnits) * room.slotBytes;
}

function blocksOf(room, blockSize) {
  return (room.kvBytes > 0n ? room.kvBytes : 0n) / blockBytes(room, blockSize);
}

// The fewest cards whose usable memory is more than the weights.
function cardsForWeights(room) {
  return Number(room.weightsBytes / BigInt(room.usableBytes)) + 1;
}

// Bytes that each group keeps of a request of `tokens` tokens.
function groupBytes(room, tokens) {
  const size = BigInt(room.kvItemsize);
  return room.shape.groups.map(
    (group) => BigInt(group.layers) * BigInt(group.elements) * size * BigInt(stored(group, tokens)),
  );
}
