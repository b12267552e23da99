// What a replay adds up: rows of steps, in bins of equally many steps. As kvbench/replay/kernels/runs.py.

// Columns of a row. In its later steps each running request gets one token, and nothing else changes.
const RUNNING = 0;
const WAITING = 1;
const TOKENS = 2;
const LIVE = 3;
const RESERVED = 4;
const INTERNAL = 5;
const PADDING = 6;
const EXPIRED = 7;
const FINISHED = 8;
const REFUSED = 9;
const EXTERNAL = 10;
const SUMMED = 11; // columns up to here are added up
const STEPS = 11;
const SEQUENCES = 12; // that each step of the row computes, rows of a padded batch that have ended included
const COMPUTED = 13; // tokens that each step of the row computes, padding included
const ROW = 14;

// Columns of a bin after those of a row that are added up.
const UNUSED = 11;
const UNUSED_WHEN_REFUSED = 12;
const BIN_STEPS = 13;
const SEQUENCES_BEFORE = 14;
const COMPUTED_BEFORE = 15;
const PREFILLS_BEFORE = 16;
const BIN = 17;

const NAMES = [
  "running",
  "waiting",
  "scheduled_tokens",
  "live",
  "reserved",
  "internal",
  "padding",
  "expired",
  "finished",
  "refused",
  "external",
  "unused",
  "unused_when_refused",
];
const BINS = 1000;

class Series {
  constructor(pool, requests) {
    this.pool = pool;
    this.largest = Math.max(pool, requests); // no value of a row is more
    this.row = new Float64Array(ROW); // a kernel fills it and calls add
    this.bins = new Float64Array(BINS * BIN);
    this.bin = 0;
    this.width = 1;
    this.sequences = 0;
    this.computed = 0;
    this.prefills = 0; // steps of more tokens than sequences
    this.waitingSteps = 0;
    this.maxRunning = 0;
    this.maxAllocated = 0;
  }

  add() {
    const { row, bins } = this;
    const steps = row[STEPS];
    const allocated = row[LIVE] + row[RESERVED] + row[INTERNAL] + row[PADDING] + row[EXPIRED] + row[FINISHED];
    if (row[WAITING] > 0) this.waitingSteps += steps;
    if (row[RUNNING] > this.maxRunning) this.maxRunning = row[RUNNING];
    if (allocated > this.maxAllocated) this.maxAllocated = allocated;
    for (let done = 0; done < steps;) {
      if (bins[this.bin * BIN + BIN_STEPS] === this.width) this.nextBin();
      const take = Math.min(this.width - bins[this.bin * BIN + BIN_STEPS], steps - done);
      this.addSteps(done, take, this.pool - allocated);
      done += take;
    }
  }

  // `take` steps of the row, from its step `first` on.
  addSteps(first, take, unused) {
    const { row, bins } = this;
    const at = this.bin * BIN;
    if (bins[at + BIN_STEPS] === 0) {
      bins[at + SEQUENCES_BEFORE] = this.sequences;
      bins[at + COMPUTED_BEFORE] = this.computed;
      bins[at + PREFILLS_BEFORE] = this.prefills;
    }
    for (let column = 0; column < SUMMED; column++) bins[at + column] += row[column] * take;
    const moved = row[RUNNING] * (first * take + (take * (take - 1)) / 2); // from reserved to live
    bins[at + LIVE] += moved;
    bins[at + RESERVED] -= moved;
    bins[at + UNUSED] += unused * take;
    bins[at + UNUSED_WHEN_REFUSED] += unused * take * row[REFUSED];
    bins[at + BIN_STEPS] += take;
    this.sequences += row[SEQUENCES] * take;
    this.computed += row[COMPUTED] * take;
    if (row[COMPUTED] > row[SEQUENCES]) this.prefills += take;
  }

  // Neighbours are merged where there are too many bins.
  nextBin() {
    const { bins } = this;
    this.bin++;
    if (this.bin < BINS) return;
    for (let one = 0; one < BINS / 2; one++) {
      for (let column = 0; column < SEQUENCES_BEFORE; column++)
        bins[one * BIN + column] = bins[2 * one * BIN + column] + bins[(2 * one + 1) * BIN + column];
      for (let column = SEQUENCES_BEFORE; column < BIN; column++)
        bins[one * BIN + column] = bins[2 * one * BIN + column];
    }
    bins.fill(0, (BINS / 2) * BIN);
    this.bin = BINS / 2;
    this.width *= 2;
    requireExact(this.width * this.largest);
  }

  get used() {
    return this.bin + (this.bins[this.bin * BIN + BIN_STEPS] > 0);
  }

  // Exact sums of the bins from `first` up to `last`, by name, as BigInt.
  sums(first, last) {
    const found = Object.fromEntries(["steps", ...NAMES].map((name) => [name, 0n]));
    for (let bin = first; bin < last; bin++) {
      found.steps += BigInt(this.bins[bin * BIN + BIN_STEPS]);
      NAMES.forEach((name, column) => (found[name] += BigInt(this.bins[bin * BIN + column])));
    }
    return found;
  }

  totals(preemptions) {
    requireExact(Math.max(this.sequences, this.computed));
    const counts = { waiting_steps: this.waitingSteps, preemptions };
    const most = { max_running: this.maxRunning, max_allocated: this.maxAllocated };
    return { ...this.sums(0, this.used), ...bigInts({ ...counts, ...most }) };
  }

  // The bins in which requests wait, without their first quarter, as kvbench/replay/window.py; null: too few requests.
  fullQueue(requests) {
    const { bins } = this;
    let last = this.used - 1;
    while (last >= 0 && bins[last * BIN + WAITING] / bins[last * BIN + BIN_STEPS] < 1) last--;
    const first = Math.ceil(0.25 * last);
    return last - first < 1 || this.maxRunning * 4 > requests ? null : this.window(first, last);
  }

  // Sums of bins, and what their steps computed.
  window(first, last) {
    const between = (column) => this.bins[last * BIN + column] - this.bins[first * BIN + column];
    const [sequences, computed] = [between(SEQUENCES_BEFORE), between(COMPUTED_BEFORE)];
    const work = { sequences, computed, prefills: between(PREFILLS_BEFORE) };
    return { ...this.sums(first, last), ...bigInts(work) };
  }
}

function bigInts(values) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, BigInt(value)]));
}

// Sums are exact up to 2^53: those of a bin are at most its steps times the largest value of a row.
function requireExact(largest) {
  if (largest > Number.MAX_SAFE_INTEGER) throw new RangeError("the replay has more steps than can be added up exactly");
}
