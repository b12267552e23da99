// Block tables that share a pool: what those with a window have given back. As kvbench/replay/kernels/groups.py.

class Tables {
  // kinds: of tables with equal windows, their window (0: none) and how many there are.
  constructor(kinds, own, requests) {
    const ceil = (tokens) => Math.ceil(tokens / own.blockSize);
    this.size = own.blockSize;
    this.sliding = kinds.filter((kind) => kind.window);
    this.number = kinds.reduce((sum, kind) => sum + kind.tables, 0);
    this.whole = this.number - this.sliding.reduce((sum, kind) => sum + kind.tables, 0);
    this.most = this.sliding.map(({ window }) => ceil(Math.min(window - 1 + own.maxStepTokens, own.maxLength)) + 1);
    this.computed = this.sliding.length ? new Int32Array(requests) : null; // stored when it last gave blocks back
  }

  // Blocks that lie behind the windows.
  givenBack(stored) {
    let blocks = 0;
    for (const { window, tables } of this.sliding)
      if (stored >= window) blocks += tables * Math.floor((stored - window + 1) / this.size);
    return blocks;
  }

  // Give back what now lies behind the windows of a running request; the number of blocks.
  slide(request, stored) {
    if (!this.computed) return 0;
    const before = this.computed[request];
    this.computed[request] = stored;
    return this.givenBack(stored) - this.givenBack(before);
  }

  // Start a request that gives back all its blocks anew; the number that it had given back before.
  end(request) {
    if (!this.computed) return 0;
    const before = this.computed[request];
    this.computed[request] = 0;
    return this.givenBack(before);
  }

  // Blocks that admission counts for a request of `tokens` tokens.
  toAdmit(tokens) {
    const needed = Math.ceil(tokens / this.size);
    let blocks = this.whole * needed;
    this.sliding.forEach(({ tables }, place) => (blocks += tables * Math.min(needed, this.most[place])));
    return blocks;
  }

  // Slots, in blocks still held, of tokens to which no later one attends.
  expired(request, stored) {
    let slots = 0;
    for (const { window, tables } of this.sliding) {
      if (stored < window) continue;
      const before = Math.max(0, this.computed[request] - window + 1);
      slots += tables * (stored - window + 1 - Math.floor(before / this.size) * this.size);
    }
    return slots;
  }
}
