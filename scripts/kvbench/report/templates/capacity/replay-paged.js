// Blocks under vLLM's scheduler: chunked prefill, preemption by recomputing. As kvbench/replay/kernels/paged.py.

class Paged {
  constructor({ prompt, output }, own, series) {
    const blocks = Math.floor(own.pool / own.blockSize);
    const most = Math.min(own.maxRunning, prompt.length, blocks);
    Object.assign(this, { prompt, output, own, series, blocks });
    this.known = Int32Array.from(prompt); // prompt and generated tokens
    this.computed = new Int32Array(prompt.length); // tokens stored
    this.room = new Int32Array(prompt.length); // empty slots of the last block
    this.begun = new Uint8Array(prompt.length); // has its first token
    this.running = new Int32Array(most);
    this.stack = new Int32Array(most); // preempted requests; the last one resumes next
    this.tables = new Tables(own.tables, own, prompt.length);
    this.count = 0;
    this.stacked = 0;
    this.next = 0;
    this.free = blocks;
    this.tails = 0; // empty slots of last blocks, of one table
    this.internal = 0; // those that no token will fill
    this.preemptions = 0;
  }

  run() {
    while (this.count > 0 || this.waiting > 0) {
      const { quiet, refused } = this.step();
      if (quiet && this.tables.number === 1 && !this.tables.computed) decodeSteps(this, refused);
    }
  }

  get waiting() {
    return this.stacked + this.prompt.length - this.next;
  }

  step() {
    let [left, served, refused] = this.serveRunning(this.own.maxStepTokens);
    const preempted = refused;
    if (!preempted) {
      const before = this.count;
      [left, refused] = this.admit(left);
      served += this.count - before;
    }
    const running = this.count;
    this.note(this.own.maxStepTokens - left, served, refused);
    giveTokens(this, served);
    return { quiet: !preempted && served > 0 && served === running && running === this.count, refused };
  }

  // Tokens for running requests in order; if blocks run out, the latest request is preempted.
  serveRunning(budget) {
    const { tables } = this;
    let served = 0;
    let preempted = false;
    while (served < this.count && budget > 0) {
      const request = this.running[served];
      const stored = this.computed[request];
      const more = Math.min(this.known[request] - stored, budget);
      const need = this.lacking(request, more);
      this.free += tables.slide(request, stored);
      while (tables.number * need > this.free && this.count > served) {
        this.preempt();
        preempted = true;
      }
      if (this.count === served) break;
      this.store(request, more, need);
      budget -= more;
      served++;
    }
    return [budget, served, preempted];
  }

  preempt() {
    const victim = this.running[--this.count];
    this.release(victim);
    this.computed[victim] = 0;
    this.stack[this.stacked++] = victim;
    this.preemptions++;
  }

  // Preempted requests first, until one is refused; budget left, and whether one was refused for memory.
  admit(budget) {
    while (budget > 0 && this.count < this.own.maxRunning && this.waiting > 0) {
      const request = this.stacked ? this.stack[this.stacked - 1] : this.next;
      if (this.tables.toAdmit(this.known[request]) > this.free) return [budget, true];
      if (this.stacked) this.stacked--;
      else this.next++;
      const more = Math.min(this.known[request], budget);
      this.computed[request] = 0;
      this.store(request, more, Math.ceil(more / this.own.blockSize));
      this.running[this.count++] = request;
      budget -= more;
    }
    return [budget, false];
  }

  // Blocks that a request needs in each table for `more` tokens.
  lacking(request, more) {
    const beyond = more - this.room[request];
    return beyond <= 0 ? 0 : Math.ceil(beyond / this.own.blockSize);
  }

  // Slots of a request's last block behind its last token; 0 before it has that block.
  neverFilled(request) {
    const final = this.prompt[request] + this.output[request] - 1;
    return Math.max(0, this.computed[request] + this.room[request] - final);
  }

  store(request, more, need) {
    const empty = need * this.own.blockSize - more;
    this.free -= this.tables.number * need;
    this.tails += empty;
    this.computed[request] += more;
    this.room[request] += empty;
    if (need) this.internal += this.neverFilled(request);
  }

  release(request) {
    const held = this.tables.number * Math.ceil(this.computed[request] / this.own.blockSize);
    this.tails -= this.room[request];
    this.internal -= this.neverFilled(request);
    this.room[request] = 0;
    this.free += held - this.tables.end(request);
  }

  note(tokens, served, refused) {
    const { row } = this.series;
    const { number } = this.tables;
    let expired = 0;
    if (this.tables.computed)
      for (let place = 0; place < this.count; place++)
        expired += this.tables.expired(this.running[place], this.computed[this.running[place]]);
    row[RUNNING] = this.count;
    row[WAITING] = this.waiting;
    row[TOKENS] = row[COMPUTED] = tokens;
    row[LIVE] = (this.blocks - this.free) * this.own.blockSize - number * this.tails - expired;
    row[RESERVED] = number * (this.tails - this.internal);
    row[INTERNAL] = number * this.internal;
    row[EXPIRED] = expired;
    row[REFUSED] = refused ? 1 : 0;
    row[STEPS] = 1;
    row[SEQUENCES] = served;
    this.series.add();
  }
}
