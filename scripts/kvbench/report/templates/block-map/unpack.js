// Changes of tables from their compact form (kvbench.blockmap.packing): cells by their place in a queue of free ones.

const EMPTIED = -1;
const OTHER = -2;

class FreeQueue {
  constructor(cells) {
    this.end = cells;
    this.after = Int32Array.from({ length: cells + 1 }, (_, i) => (i < cells ? i + 1 : 0));
    this.before = Int32Array.from({ length: cells + 1 }, (_, i) => (i ? i - 1 : cells));
    this.inside = new Uint8Array(cells).fill(1);
  }

  at(place) {
    let cell = this.after[this.end];
    for (let i = 0; i < place; i++) cell = this.after[cell];
    return cell;
  }

  take(cell) {
    if (!this.inside[cell]) return;
    this.inside[cell] = 0;
    this.link(this.before[cell], this.after[cell]);
  }

  give(cell) {
    if (this.inside[cell] !== 0) return;
    this.inside[cell] = 1;
    const last = this.before[this.end];
    this.link(last, cell);
    this.link(cell, this.end);
  }

  link(first, second) {
    this.after[first] = second;
    this.before[second] = first;
  }
}

// Block tables of a request: one, unless layers differ in what they hold.
function tablesEach(side) {
  return side.tables?.length || 1;
}

function unpackSide(side) {
  if (!side.packed) return side;
  const queue = new FreeQueue(side.cells);
  const tables = Array.from({ length: side.tokens.length * tablesEach(side) }, () => []);
  side.changes = side.packed.map((flat) => unpackStep(flat, queue, tables));
  delete side.packed;
  return side;
}

function unpackStep(flat, queue, tables) {
  const changes = [];
  let request = 0;
  for (let i = 0; i < flat.length;) {
    request += flat[i++];
    const table = tables[request];
    const place = flat[i++];
    if (place === EMPTIED) {
      changes.push(request, -1, -1);
      for (let entry = table.length - 1; entry >= 0; entry--) queue.give(table[entry]);
      table.length = 0;
      continue;
    }
    const logical = place === OTHER ? flat[i++] : table.length;
    const cell = place === OTHER ? flat[i++] : queue.at(place);
    changes.push(request, logical, cell);
    if (cell < 0 && logical < table.length) queue.give(table[logical]);
    table[logical] = cell;
    queue.take(cell);
  }
  return changes;
}
