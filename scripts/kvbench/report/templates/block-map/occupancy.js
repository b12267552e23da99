// What every cell of a side holds at its step, and the counts that follow: from tables and tokens alone.

const PARTS = ["live", "reserved", "internal", "padding", "finished"];
const RECORDED = ["running", "waiting", ...PARTS];

class Occupancy {
  constructor(replay) {
    this.replay = replay;
    const cells = replay.side.cells;
    this.owner = new Int32Array(cells); // first holder; -1: free
    this.logical = new Int32Array(cells);
    this.holders = new Int32Array(cells);
    for (const part of PARTS) this[part] = new Int32Array(cells);
    this.queue = []; // waiting requests in order
  }

  update() {
    this.owner.fill(-1);
    this.holders.fill(0);
    for (const part of PARTS) this[part].fill(0);
    const { replay } = this;
    const held = [...replay.tables.keys()].filter((request) => replay.tables[request].length);
    const running = held.filter((request) => !replay.hasEnded(request));
    // Those that have ended come last: what they do not share is finished, whoever else holds it.
    for (const request of running) this.place(request, false, 0);
    for (const request of held) {
      if (replay.hasEnded(request)) this.place(request, true, running.length ? replay.hits(request) : 0);
    }
    this.counts = this.count();
  }

  // `kept`: blocks at the beginning of an ended request's table that are not finished.
  place(request, ended, kept) {
    const { replay } = this;
    const table = replay.tables[request];
    const tokens = replay.tokens(request);
    const final = replay.side.final[request];
    for (let logical = 0; logical < table.length; logical++) {
      const cell = table[logical];
      if (!(cell >= 0 && cell < this.owner.length)) continue;
      if (this.owner[cell] < 0) this.own(cell, request, logical);
      this.holders[cell]++;
      if (replay.rows) this.fillRow(cell, request, tokens, final, ended);
      else if (ended) this.fillEnded(cell, logical < kept);
      else this.fillBlock(cell, logical, tokens, final);
    }
  }

  own(cell, request, logical) {
    this.owner[cell] = request;
    this.logical[cell] = logical;
  }

  // A block that an ended request had found in the cache counts as live while another request runs (kv.paged).
  fillEnded(cell, found) {
    if (found && this.live[cell] + this.reserved[cell] + this.internal[cell] + this.finished[cell] > 0) return;
    this.live[cell] = found ? this.replay.side.cell_slots : 0;
    this.finished[cell] = found ? 0 : this.replay.side.cell_slots;
    this.reserved[cell] = this.internal[cell] = 0;
  }

  // A block of several requests is filled as far as one of them filled it.
  fillBlock(cell, logical, tokens, final) {
    const size = this.replay.side.cell_slots;
    const clip = (value) => Math.min(size, Math.max(0, value - logical * size));
    const live = Math.max(this.live[cell], clip(tokens));
    const used = Math.max(this.live[cell] + this.reserved[cell], clip(final), live);
    this.live[cell] = live;
    this.reserved[cell] = used - live;
    this.internal[cell] = size - used;
  }

  fillRow(row, request, tokens, final, ended) {
    const { side, step } = this.replay;
    const width = side.width[step];
    if (ended) {
      this.finished[row] = width;
      return;
    }
    const padding = side.pads[request];
    const live = Math.min(tokens, width - padding);
    const used = Math.max(live, Math.min(final, width - padding));
    this.padding[row] = padding;
    this.live[row] = live;
    this.reserved[row] = used - live;
    this.internal[row] = width - padding - used;
  }

  count() {
    const { replay } = this;
    const counts = { running: 0, waiting: 0, used: 0, allocated: 0 };
    this.queue = [];
    for (let request = 0; request < replay.requests; request++) {
      const status = replay.status(request);
      if (status === "running") counts.running++;
      else if (status === "waiting") this.queue.push(request);
    }
    counts.waiting = this.queue.length;
    for (let cell = 0; cell < this.owner.length; cell++) if (this.owner[cell] >= 0) counts.used++;
    counts.free = this.owner.length - counts.used;
    for (const part of PARTS) {
      counts[part] = this[part].reduce((sum, slots) => sum + slots, 0);
      counts.allocated += counts[part];
    }
    counts.share = counts.allocated ? counts.live / counts.allocated : null;
    return counts;
  }

  // Names of the counts that differ from what the engine's run recorded at this step.
  differences() {
    const { side, step, steps } = this.replay;
    if (step < 0 || step >= steps || step % side.every) return [];
    return RECORDED.filter((name) => side[name] && (side[name][step] || 0) !== this.counts[name]);
  }
}

// Tokens that a request has generated: the last one is never stored, hence + 1; none before its prompt is complete.
function generated(request, replay, number) {
  const status = replay.status(number);
  if (status === "completed" || status === "ended") return request.output_tokens;
  const tokens = replay.mostTokens(number);
  if (tokens < request.prompt_tokens) return 0;
  return Math.min(request.output_tokens, tokens - request.prompt_tokens + 1);
}
