// What every cell of a side holds at its step, and the counts that follow: from tables and tokens alone.

const PARTS = ["live", "reserved", "internal", "padding", "finished", "expired", "page_padding"];
const IN_ORDER = ["padding", "expired", "live", "reserved", "internal", "page_padding", "finished"]; // in a cell
const RECORDED = ["running", "waiting", ...PARTS];

class Occupancy {
  constructor(replay) {
    this.replay = replay;
    const cells = replay.side.cells;
    this.owner = new Int32Array(cells); // first holder; -1: free
    this.logical = new Int32Array(cells);
    this.holders = new Int32Array(cells);
    this.table = new Int32Array(cells); // which of its holder's tables
    this.filledBy = new Uint8Array(cells); // where layers differ: whether a running request has filled it itself
    this.kinds = replay.side.groups || [];
    for (const part of PARTS) this[part] = new Int32Array(cells);
    this.parts = PARTS.filter((part) => this.kinds.length || !(part in LATER)); // those that the side can have
    this.inOrder = IN_ORDER.filter((part) => this.parts.includes(part));
    this.queue = []; // waiting requests in order
  }

  update() {
    this.owner.fill(-1);
    this.holders.fill(0);
    this.filledBy.fill(0);
    this.rowParts = [];
    for (const part of this.parts) this[part].fill(0);
    const { replay } = this;
    const held = Array.from({ length: replay.requests }, (_, r) => r).filter((request) => replay.hasTable(request));
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
    const holder = { request, ended, kept, tokens: replay.tokens(request), final: replay.side.final[request] };
    holder.hits = replay.hits(request);
    for (let t = 0; t < replay.each; t++) {
      const table = replay.tables[request * replay.each + t];
      const pages = replay.pages(t);
      for (let logical = 0; logical < table.length; logical++) {
        for (let page = 0; page < pages && table[logical] >= 0; page++)
          this.placeCell(table[logical] + page, holder, t, logical);
      }
    }
  }

  placeCell(cell, { request, ended, kept, tokens, final, hits }, table, logical) {
    if (cell >= this.owner.length) return;
    if (this.owner[cell] < 0) this.own(cell, request, table, logical);
    this.holders[cell]++;
    if (this.replay.rows) this.fillRow(cell, request, tokens, final, ended);
    else if (ended) this.fillEnded(cell, logical < kept);
    else if (this.kinds.length) this.fillPage(cell, table, logical, tokens, final, logical < hits);
    else this.fillBlock(cell, logical, tokens, final);
  }

  own(cell, request, table, logical) {
    this.owner[cell] = request;
    this.table[cell] = table;
    this.logical[cell] = logical;
  }

  // A block that an ended request had found in the cache counts as live while another request runs (kv.paged).
  fillEnded(cell, found) {
    if (found && this.held(cell) > 0) return;
    for (const part of this.parts) this[part][cell] = 0;
    this[found ? "live" : "finished"][cell] = this.replay.side.cell_slots;
  }

  held(cell) {
    return this.parts.reduce((sum, part) => sum + this[part][cell], 0);
  }

  // A page of layers that differ from others: filled by the request that did not find it in the cache. One that all
  // running requests have found there counts as live as a whole (kv.paged).
  fillPage(cell, table, logical, tokens, final, found) {
    const { side } = this.replay;
    if (found && this.filledBy[cell]) return;
    for (const part of PARTS) this[part][cell] = 0;
    if (found) {
      this.live[cell] = side.cell_slots;
      return;
    }
    this.filledBy[cell] = 1;
    const { units, pages, ring, group } = side.tables[table];
    const size = side.block_tokens;
    const has = tokensInBlock(logical * size, tokens, final, size, this.kinds[group].window, ring);
    const each = units / pages;
    this.expired[cell] = each * has.expired;
    this.live[cell] = each * (has.filled - has.expired);
    this.reserved[cell] = each * (has.usable - has.filled);
    this.internal[cell] = each * (size - has.usable);
    this.page_padding[cell] = side.cell_slots - each * size;
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
    if (this.kinds.length) {
      this.fillRowOfKinds(row, request, tokens, final, ended);
      return;
    }
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

  // The parts of a row of layers that differ: those with full attention, then those with a window.
  rowOf(row) {
    const parts = this.rowParts[row];
    if (!parts) return null;
    const of = (windowed) => parts.filter((_, kind) => (this.kinds[kind].window !== null) === windowed);
    return [...of(false), ...of(true)];
  }

  fillRowOfKinds(row, request, tokens, final, ended) {
    const { side, step } = this.replay;
    this.rowParts[row] = this.kinds.map(({ window, units, width }) => {
      const parts = partsOfRow(width[step], side.pads[request], tokens, final, ended, window);
      for (const part of IN_ORDER) this[part][row] += (parts[part] = units * (parts[part] || 0));
      return parts;
    });
  }

  // Slots by part of each kind of layers.
  countKinds() {
    const found = this.kinds.map(() => Object.fromEntries(PARTS.map((part) => [part, 0])));
    const add = (kind, values) => PARTS.forEach((part) => (found[kind][part] += values(part)));
    for (let cell = 0; cell < this.owner.length && found.length; cell++) {
      if (this.owner[cell] < 0) continue;
      if (this.rowParts[cell]) this.rowParts[cell].forEach((parts, kind) => add(kind, (part) => parts[part]));
      else add(this.replay.side.tables[this.table[cell]].group, (part) => this[part][cell]);
    }
    for (const parts of found) parts.allocated = PARTS.reduce((sum, part) => sum + parts[part], 0);
    return found;
  }

  // The kind of layers of a cell that a request holds in blocks, if they differ.
  kindOf(cell) {
    const table = this.replay.side.tables?.[this.table[cell]];
    return table && this.kinds[table.group];
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
    for (const part of PARTS) counts[part] = 0;
    for (const part of this.parts) {
      counts[part] = this[part].reduce((sum, slots) => sum + slots, 0);
      counts.allocated += counts[part];
    }
    counts.free = replay.rows ? Math.max(0, poolSlots(replay) - counts.allocated) : this.owner.length - counts.used;
    counts.kinds = this.countKinds();
    counts.share = counts.allocated ? counts.live / counts.allocated : null;
    return counts;
  }

  // Names of the counts that differ from what the engine's run recorded at this step.
  differences() {
    const { side, step, steps } = this.replay;
    if (step < 0 || step >= steps || step % side.every) return [];
    const wrong = RECORDED.filter((name) => side[name] && (side[name][step] || 0) !== this.counts[name]);
    this.kinds.forEach((kind, k) => {
      for (const part of PARTS)
        if (kind[part] && kind[part][step] !== this.counts.kinds[k][part]) wrong.push(`${part} of ${kind.kind} layers`);
    });
    return wrong;
  }
}

// Tokens in the block that begins with place `begin` of a table, those of them to which no later token attends, and
// those there once the request has all. In a ring, the token at position p has place p modulo the window.
function tokensInBlock(begin, stored, final, size, window, ring) {
  const clip = (value) => Math.min(size, Math.max(0, value - begin));
  if (!ring) {
    const filled = clip(stored);
    const expired = window === null ? 0 : clip(Math.max(0, stored - window + 1));
    return { filled, expired, usable: Math.max(filled, clip(final)) };
  }
  const oldest = (stored % window) - begin;
  const filled = clip(Math.min(stored, window));
  const expired = stored >= window && oldest >= 0 && oldest < size ? 1 : 0;
  return { filled, expired, usable: Math.max(filled, clip(Math.min(final, window))) };
}

// A row of `width` places: with a window, padding and then the oldest tokens have left it once it is full.
function partsOfRow(width, pads, stored, final, ended, window) {
  if (ended) return { finished: width };
  const left = window === null ? 0 : Math.max(0, pads + stored - width);
  const padding = Math.max(0, pads - left);
  const kept = stored - Math.max(0, left - pads);
  const live = window === null ? kept : Math.min(kept, window - 1);
  const free = width - padding - kept;
  const reserved = Math.min(final - stored, free);
  return { padding, expired: kept - live, live, reserved, internal: free - reserved };
}

// Tokens that a request has generated: the last one is never stored, hence + 1; none before its prompt is complete.
function generated(request, replay, number) {
  const status = replay.status(number);
  if (status === "completed" || status === "ended") return request.output_tokens;
  const tokens = replay.mostTokens(number);
  if (tokens < request.prompt_tokens) return 0;
  return Math.min(request.output_tokens, tokens - request.prompt_tokens + 1);
}
