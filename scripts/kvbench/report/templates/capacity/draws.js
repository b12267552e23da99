// Random numbers equal to Python's: numpy's PCG64, integers only. As kvbench/workload/draws.py.

const SCALE = 2 ** 48;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n; // PCG_DEFAULT_MULTIPLIER_128 of numpy
const LOW = (1n << 64n) - 1n;
const STRATA = 1 << 14; // from so many draws on, they are not stratified

class Pcg64 {
  constructor(state, increment) {
    this.state = BigInt(state);
    this.increment = BigInt(increment);
  }

  // 64 bits, as BigInt: O'Neill's PCG XSL RR 128/64.
  next() {
    this.state = BigInt.asUintN(128, this.state * MULTIPLIER + this.increment);
    const folded = (this.state >> 64n) ^ (this.state & LOW);
    const by = this.state >> 122n;
    return BigInt.asUintN(64, (folded >> by) | (folded << (64n - by)));
  }
}

// Integers uniform in [0, SCALE).
function uniform(bits, count) {
  return Float64Array.from({ length: count }, () => Number(bits.next() >> 16n));
}

// A random order of 0 … count - 1.
function permutation(bits, count) {
  const raw = BigUint64Array.from({ length: count }, () => bits.next());
  const order = Array.from(raw.keys());
  return order.sort((one, other) => (raw[one] < raw[other] ? -1 : raw[one] > raw[other] ? 1 : one - other));
}

// Integers in [0, SCALE), one from each of equal strata, in random order.
function stratified(bits, count) {
  const rank = permutation(bits, count);
  const within = uniform(bits, count);
  if (count >= STRATA) return within;
  return within.map((value, place) => Number((BigInt(rank[place]) * BigInt(SCALE) + BigInt(value)) / BigInt(count)));
}
