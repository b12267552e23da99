// Where slots lie. A cache is a tape of slots, cut into lines of equal length; both sides have the same lines.

const CELL_PX = { least: 5, most: 34 };
const MAP_HEIGHT_PX = 430;

// Slots of a line, so that cells are about square and the longest row is a whole number (or part) of lines.
function slotsOfLine(replays, width) {
  const unit = Math.min(...replays.map((r) => (r.rows ? Infinity : r.side.cell_slots)), Infinity);
  const longest = Math.max(1, ...replays.map((r) => (r.rows ? widest(r) : r.side.cell_slots)));
  const pool = Math.max(1, ...replays.map(poolSlots));
  const step = Number.isFinite(unit) ? unit : Math.max(1, Math.round(longest / 32));
  const area = (width * Math.min(0.8 * width, MAP_HEIGHT_PX)) / Math.max(1, pool / step);
  const ideal = (step * width) / Math.min(CELL_PX.most, Math.max(CELL_PX.least, Math.sqrt(area)));
  const row = Math.ceil(longest / step) * step;
  const line = ideal >= row ? row * Math.round(ideal / row) : row / Math.round(row / ideal);
  return Math.min(Math.ceil(line / step) * step, Math.max(row, Math.ceil(pool / step) * step));
}

function widest(replay) {
  return replay.side.width.reduce((most, value) => Math.max(most, value), 1);
}

function poolSlots(replay) {
  const { side } = replay;
  return Math.max(side.pool_slots || 0, replay.rows ? 0 : side.cells * side.cell_slots);
}

// Rows: of each step, the width and number of rows of the batch that it belongs to, so that rows stay where they are.
function batchesOf(replay) {
  const { width, changes } = replay.side;
  const held = new Map();
  const batches = [];
  let batch = null;
  for (let step = 0; step < replay.steps; step++) {
    holdRows(held, changes[step] || []);
    if (!batch || begins(changes[step] || [])) batch = { width: 1, rows: Math.max(0, ...held.values()) };
    for (let i = 2; i < (changes[step] || []).length; i += 3) batch.rows = Math.max(batch.rows, changes[step][i] + 1);
    batch.width = Math.max(batch.width, width[step]);
    batches.push(batch);
  }
  return batches;
}

// Whether requests take rows. The width does not tell: a batch may begin wider than the one before ended, and where layers
// have a window a row may become shorter within a batch.
function begins(changes) {
  for (let i = 1; i < changes.length; i += 3) if (changes[i] >= 0) return true;
  return false;
}

function holdRows(held, changes) {
  for (let i = 0; i < changes.length; i += 3) {
    if (changes[i + 1] < 0) held.delete(changes[i]);
    else held.set(changes[i], changes[i + 2] + 1);
  }
}

class Layout {
  constructor(replay, line, width, ratio) {
    this.replay = replay;
    this.line = line;
    this.batches = replay.rows ? batchesOf(replay) : [];
    this.width = Math.round(width * ratio);
    this.scale = this.width / line;
    this.pool = Math.max(1, Math.ceil(poolSlots(replay) / line));
    this.lines = this.batches.reduce((most, b) => Math.max(most, this.linesOf(b)), this.pool);
    this.ratio = ratio;
  }

  linesOf(batch) {
    const { each, stride } = this.packing(batch);
    return Math.ceil((Math.ceil(batch.rows / each) * stride) / this.line);
  }

  // How a batch's rows lie: several in a line, or each over whole lines; one after the other where the ends of lines that
  // this leaves empty would make rows that memory holds look as if it did not.
  packing({ width, rows }) {
    const each = Math.max(1, Math.floor(this.line / width));
    const stride = Math.ceil(width / this.line) * this.line;
    return Math.ceil(rows / each) * stride <= this.pool * this.line ? { each, stride } : { each: 1, stride: width };
  }

  setHeight(pixels) {
    this.pitch = Math.max(2, Math.round(pixels * this.ratio));
    this.gap = this.pitch >= 8 * this.ratio ? Math.round(2 * this.ratio) : this.pitch > 3 ? 1 : 0;
    this.height = this.lines * this.pitch;
  }

  batch() {
    return this.batches[Math.min(Math.max(this.replay.step, 0), this.batches.length - 1)] || { width: 1, rows: 0 };
  }

  start(cell) {
    if (!this.replay.rows) return cell * this.replay.side.cell_slots;
    const batch = this.batch();
    const { each, stride } = this.packing(batch);
    return Math.floor(cell / each) * stride + (cell % each) * batch.width;
  }

  size() {
    const { side, step } = this.replay;
    return this.replay.rows ? side.width[step] || 0 : side.cell_slots;
  }

  // Rectangles [x0, y0, x1, y1] in device pixels of the slots from `from` to `to`: one a line that they touch.
  rectangles(from, to) {
    const found = [];
    for (let slot = from; slot < to;) {
      const line = Math.floor(slot / this.line);
      const stop = Math.min(to, (line + 1) * this.line);
      const top = line * this.pitch;
      found.push([this.x(slot - line * this.line), top, this.x(stop - line * this.line), top + this.pitch - this.gap]);
      slot = stop;
    }
    return found;
  }

  x(slot) {
    return Math.round(slot * this.scale);
  }

  // The cell under a point in CSS pixels, or -1.
  cellAt(x, y) {
    const slot = Math.floor((y * this.ratio) / this.pitch) * this.line + Math.floor((x * this.ratio) / this.scale);
    if (!this.replay.rows) return slot < this.replay.side.cells * this.size() ? Math.floor(slot / this.size()) : -1;
    const batch = this.batch();
    const { each, stride } = this.packing(batch);
    const column = Math.floor((slot % stride) / batch.width);
    const row = Math.floor(slot / stride) * each + Math.min(column, each - 1);
    return row < this.replay.side.cells && slot - this.start(row) < this.size() ? row : -1;
  }
}

// One line height for all shown sides.
function layOut(replays, width, ratio) {
  const line = slotsOfLine(replays, width);
  const layouts = replays.map((replay) => new Layout(replay, line, width, ratio));
  const most = Math.max(...layouts.map((layout) => layout.lines));
  const unit = Math.min(...replays.map((r) => (r.rows ? Infinity : r.side.cell_slots)));
  const room = MAP_HEIGHT_PX / most;
  const square = Number.isFinite(unit) ? (unit * width) / line : room;
  const height = Math.min(Math.max(square, Math.min(2 * square, room)), CELL_PX.most, Math.max(room, 4));
  layouts.forEach((layout) => layout.setHeight(height));
  return layouts;
}
