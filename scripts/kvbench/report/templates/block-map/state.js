// The state of one side at a step: which request holds which cells, and how many tokens each has.

const KEY_FRAME_STEPS = 64;
const BLOCK_ADDED = 1;

class Replay {
  constructor(side, requests) {
    this.side = side;
    this.rows = side.form === "rows";
    this.steps = side.t_us.length;
    this.requests = requests.length;
    this.times = summed(side.t_us);
    this.end = endOf(this.times);
    this.done = requests.map((_, r) => doneFrom(side.tokens[r] || [], side.final[r]));
    this.served = requests.map((_, r) => (side.tokens[r] || []).length > 0);
    this.each = tablesEach(side);
    this.tables = Array.from({ length: requests.length * this.each }, () => []); // those of a request after each other
    this.step = -1;
    this.frames = [];
    this.added = [];
    this.recordFrames();
    this.events = withAdded(side.events, this.added);
    this.seek(-1);
  }

  recordFrames() {
    for (let step = 0; step < this.steps; step++) {
      if (step % KEY_FRAME_STEPS === 0) this.frames.push(packTables(this.tables));
      this.noteAdded(step, this.side.changes[step] || []);
      applyChanges(this.tables, this.side.changes[step] || []);
    }
  }

  // A table that was not empty becomes longer: a block added, once a request and step.
  noteAdded(step, changes) {
    const grown = new Set();
    for (let i = 0; i < changes.length; i += 3) {
      const table = this.tables[changes[i]];
      if (table.length > 0 && changes[i + 1] >= table.length) grown.add(Math.floor(changes[i] / this.each));
    }
    grown.forEach((request) => this.added.push(step, BLOCK_ADDED, request));
  }

  tablesOf(request) {
    return this.tables.slice(request * this.each, (request + 1) * this.each);
  }

  // Cells that a block of a request's table takes.
  pages(table) {
    return this.side.tables?.[table].pages || 1;
  }

  // All cells that a request holds.
  cells(request) {
    return this.tablesOf(request).flatMap((table, t) =>
      table
        .filter((cell) => cell >= 0)
        .flatMap((cell) => Array.from({ length: this.pages(t) }, (_, page) => cell + page)),
    );
  }

  // Whether a request has a table, be it one without blocks.
  hasTable(request) {
    for (let t = 0; t < this.each; t++) if (this.tables[request * this.each + t].length) return true;
    return false;
  }

  holdsBlocks(request) {
    for (let t = 0; t < this.each; t++)
      if (this.tables[request * this.each + t].some((cell) => cell >= 0)) return true;
    return false;
  }

  // Blocks of a request's table that it found in the cache when it was last admitted.
  hits(request) {
    const pairs = this.side.hits?.[request] || [];
    const at = lastAtMost(pairs, 2, this.step);
    return at < 0 ? 0 : pairs[2 * at + 1];
  }

  // Before the first step (-1) nothing is held yet; after the last one (`steps`) nothing any more.
  seek(step) {
    if (step === this.step) return;
    const inside = step >= 0 && step < this.steps;
    if (!inside) {
      this.tables.forEach((table) => (table.length = 0));
    } else {
      const forward = this.step >= 0 && this.step < step && step - this.step <= KEY_FRAME_STEPS;
      const from = forward ? this.step + 1 : this.restoreFrame(step);
      for (let s = from; s <= step; s++) applyChanges(this.tables, this.side.changes[s] || []);
    }
    this.step = step;
  }

  restoreFrame(step) {
    const frame = Math.floor(step / KEY_FRAME_STEPS);
    unpackTables(this.frames[frame], this.tables);
    return frame * KEY_FRAME_STEPS;
  }

  // The last step that began at `time` (microseconds) or before.
  stepAt(time) {
    if (time > this.end) return this.steps;
    return lastAtMost(this.times, 1, time);
  }

  // Tokens of a request in the cache; -1: none.
  tokens(request) {
    const pairs = this.side.tokens[request] || [];
    const at = lastAtMost(pairs, 2, this.step);
    if (at < 0 || this.step >= this.steps || pairs[2 * at + 1] < 0) return -1;
    return pairs[2 * at + 1] + this.step - pairs[2 * at];
  }

  // The most tokens that a request has had in the cache so far: a preempted one keeps the text that it has generated.
  mostTokens(request) {
    const pairs = this.side.tokens[request] || [];
    let most = -1;
    for (let i = 0; i < pairs.length && pairs[i] <= this.step; i += 2) {
      const last = Math.min(this.step, (pairs[i + 2] ?? Infinity) - 1);
      if (pairs[i + 1] >= 0) most = Math.max(most, pairs[i + 1] + last - pairs[i]);
    }
    return most;
  }

  status(request) {
    if (!this.served[request] || this.step < (this.side.arrives?.[request] ?? -1)) return "absent";
    if (this.holdsBlocks(request)) return this.hasEnded(request) ? "ended" : "running";
    return this.step >= this.done[request] || this.step >= this.steps ? "completed" : "waiting";
  }

  // A request that still holds something after its last token: what it holds is finished.
  hasEnded(request) {
    const tokens = this.tokens(request);
    return tokens < 0 || tokens > this.side.final[request];
  }
}

// Events in order of steps. Added blocks are most of a large document and follow from its tables: it need not name them.
function withAdded(events, added) {
  for (let i = 1; i < events.length; i += 3) if (events[i] === BLOCK_ADDED) return events;
  const merged = [];
  let next = 0;
  for (let i = 0; i < events.length; i += 3) {
    for (; next < added.length && added[next] < events[i]; next += 3)
      merged.push(added[next], added[next + 1], added[next + 2]);
    merged.push(events[i], events[i + 1], events[i + 2]);
  }
  for (; next < added.length; next++) merged.push(added[next]);
  return merged;
}

function summed(differences) {
  const times = new Float64Array(differences.length);
  let time = 0;
  differences.forEach((value, i) => (times[i] = time += value));
  return times;
}

// A last step is taken to last as long as the one before.
function endOf(times) {
  const last = times.length - 1;
  return last < 1 ? times[last] || 0 : 2 * times[last] - times[last - 1];
}

// Index of the last of sorted `values` (each `stride`-th) that is at most `limit`; -1 if none is.
function lastAtMost(values, stride, limit) {
  let low = 0;
  let high = values.length / stride;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle * stride] <= limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

// The step from which a request is complete: it lost its tokens after it had all of them.
function doneFrom(pairs, final) {
  for (let i = 2; i < pairs.length; i += 2) {
    const reached = pairs[i - 1] + pairs[i] - 1 - pairs[i - 2];
    if (pairs[i + 1] < 0 && pairs[i - 1] >= 0 && reached >= final) return pairs[i];
  }
  return Infinity;
}

function applyChanges(tables, changes) {
  for (let i = 0; i < changes.length; i += 3) {
    const table = tables[changes[i]];
    if (changes[i + 1] < 0) table.length = 0;
    else table[changes[i + 1]] = changes[i + 2];
  }
}

function packTables(tables) {
  const values = [];
  tables.forEach((table, request) => {
    if (table.length) values.push(request, table.length);
    for (let i = 0; i < table.length; i++) values.push(table[i] ?? -1);
  });
  return Int32Array.from(values);
}

function unpackTables(frame, tables) {
  tables.forEach((table) => (table.length = 0));
  for (let i = 0; i < frame.length; i += 2 + frame[i + 1]) {
    const table = tables[frame[i]];
    for (let logical = 0; logical < frame[i + 1]; logical++) table[logical] = frame[i + 2 + logical];
  }
}
