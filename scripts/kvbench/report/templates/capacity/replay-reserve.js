// Reservations from admission to the end, in the best-fitting hole. As kvbench/replay/kernels/reserve.py.

class Reserving {
  // asked: slots that the policy reserves for each request.
  constructor({ prompt, output, asked }, own, series) {
    const most = Math.min(own.maxRunning, prompt.length, own.pool);
    Object.assign(this, { prompt, output, asked, own, series });
    this.known = Int32Array.from(prompt); // prompt and generated tokens
    this.computed = new Int32Array(prompt.length); // tokens stored
    this.begun = new Uint8Array(prompt.length); // has its first token
    this.address = new Int32Array(prompt.length);
    this.space = new BestFit(own.pool, most);
    this.running = new Int32Array(most);
    this.count = 0;
    this.next = 0;
    this.free = own.pool;
    this.preemptions = 0;
  }

  run() {
    while (this.count > 0 || this.next < this.prompt.length) {
      const { tokens, refused } = this.step();
      if (tokens === this.before && this.before === this.count) this.decode(this.quietSteps(), refused);
    }
  }

  step() {
    let budget = this.own.maxStepTokens;
    let served = 0;
    for (; served < this.count && budget > 0; served++) {
      const request = this.running[served];
      const more = Math.min(this.known[request] - this.computed[request], budget);
      this.computed[request] += more;
      budget -= more;
    }
    const before = this.count;
    const [left, refused] = this.admit(budget);
    served += this.count - before;
    const tokens = this.own.maxStepTokens - left;
    this.note(tokens, served, refused);
    this.series.add();
    this.before = this.count;
    giveTokens(this, served);
    return { tokens, refused };
  }

  // Waiting requests in order until one is refused; budget left, and whether one was refused for memory.
  admit(budget) {
    while (budget > 0 && this.count < this.own.maxRunning && this.next < this.prompt.length) {
      const request = this.next;
      const address = this.space.take(this.asked[request]);
      if (address < 0) return [budget, true];
      this.address[request] = address;
      this.free -= this.asked[request];
      this.next++;
      this.running[this.count++] = request;
      const more = Math.min(this.known[request], budget);
      this.computed[request] = more;
      budget -= more;
    }
    return [budget, false];
  }

  note(tokens, served, refused) {
    const { row } = this.series;
    let live = 0;
    let reserved = 0;
    let internal = 0;
    for (let place = 0; place < this.count; place++) {
      const request = this.running[place];
      const final = this.prompt[request] + this.output[request] - 1;
      live += this.computed[request];
      reserved += final - this.computed[request];
      internal += this.asked[request] - final;
    }
    row.fill(0);
    row[RUNNING] = this.count;
    row[WAITING] = this.prompt.length - this.next;
    row[TOKENS] = row[COMPUTED] = tokens;
    row[SEQUENCES] = served;
    row[LIVE] = live;
    row[RESERVED] = reserved;
    row[INTERNAL] = internal;
    row[REFUSED] = refused ? 1 : 0;
    row[EXTERNAL] = refused && this.free >= this.asked[this.next] ? this.free : 0; // would do if it were contiguous
    row[STEPS] = 1;
  }

  release(request) {
    this.free += this.asked[request];
    this.space.giveBack(this.address[request], this.asked[request]);
  }

  // Next steps in which every running request gets a token and none ends; 0 if one is still in prefill.
  quietSteps() {
    let least = Infinity;
    for (let place = 0; place < this.count; place++) {
      const request = this.running[place];
      if (this.known[request] !== this.computed[request] + 1 || !this.begun[request]) return 0;
      least = Math.min(least, this.prompt[request] + this.output[request] - this.known[request]);
    }
    return least - 1;
  }

  // Steps that differ from the one before by a token for each request, unless a request could be admitted.
  decode(steps, refused) {
    const { own, count } = this;
    const full = refused || count === own.maxRunning || count === own.maxStepTokens;
    if (!(steps > 0) || (this.next < this.prompt.length && !full)) return;
    const { row } = this.series;
    row[LIVE] += count;
    row[RESERVED] -= count;
    row[STEPS] = steps;
    row[TOKENS] = row[COMPUTED] = row[SEQUENCES] = count;
    this.series.add();
    for (let place = 0; place < count; place++) {
      this.known[this.running[place]] += steps;
      this.computed[this.running[place]] += steps;
    }
  }
}
