// A best-fit allocator: a reservation takes the smallest hole that fits it. As kvbench/replay/kernels/best_fit.py.

class BestFit {
  constructor(pool, most) {
    this.start = new Int32Array(most + 2);
    this.size = new Int32Array(most + 2);
    this.size[0] = pool;
    this.holes = 1;
  }

  // Address of `size` slots in the smallest hole that fits, the lowest of equal ones; -1: none.
  take(size) {
    let best = -1;
    for (let hole = 0; hole < this.holes; hole++)
      if (this.size[hole] >= size && (best < 0 || this.size[hole] < this.size[best])) best = hole;
    if (best < 0) return -1;
    const address = this.start[best];
    this.start[best] += size;
    this.size[best] -= size;
    if (this.size[best] === 0) this.remove(best);
    return address;
  }

  // Free a range and merge it with adjacent holes.
  giveBack(address, size) {
    let place = this.holes;
    while (place > 0 && this.start[place - 1] > address) place--;
    const joinsLeft = place > 0 && this.start[place - 1] + this.size[place - 1] === address;
    const joinsRight = place < this.holes && address + size === this.start[place];
    if (joinsLeft) {
      this.size[place - 1] += size;
      if (joinsRight) {
        this.size[place - 1] += this.size[place];
        this.remove(place);
      }
    } else if (joinsRight) {
      this.start[place] = address;
      this.size[place] += size;
    } else {
      this.insert(place, address, size);
    }
  }

  remove(place) {
    this.holes--;
    this.start.copyWithin(place, place + 1, this.holes + 1);
    this.size.copyWithin(place, place + 1, this.holes + 1);
  }

  insert(place, address, size) {
    this.start.copyWithin(place + 1, place, this.holes);
    this.size.copyWithin(place + 1, place, this.holes);
    this.start[place] = address;
    this.size[place] = size;
    this.holes++;
  }
}
