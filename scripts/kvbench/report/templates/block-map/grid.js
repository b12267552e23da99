// Draws one side: its cells as pixels, then outlines and marks over them.

class Grid {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  resize(layout, theme) {
    this.layout = layout;
    this.theme = theme;
    this.canvas.width = layout.width;
    this.canvas.height = layout.height;
    this.canvas.style.height = `${layout.height / layout.ratio}px`;
    this.image = this.context.createImageData(layout.width, layout.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.empty = new Uint32Array(this.pixels.length);
    this.paintEmpty();
  }

  // Free memory, painted once: blocks, or for rows the lines of the budget.
  paintEmpty() {
    const { layout, theme } = this;
    const { side, rows } = layout.replay;
    const size = rows ? layout.line : side.cell_slots;
    const cells = rows ? Math.ceil(poolSlots(layout.replay) / size) : side.cells;
    this.pixels.fill(packed(theme.paper));
    for (let cell = 0; cell < cells; cell++) {
      const stop = rows ? Math.min((cell + 1) * size, poolSlots(layout.replay)) : (cell + 1) * size;
      for (const box of layout.rectangles(cell * size, stop)) this.fill(this.inset(box), packed(theme.free));
    }
    this.empty.set(this.pixels);
  }

  draw(occupancy, chosen, cell) {
    this.pixels.set(this.empty);
    const { owner, replay } = occupancy;
    const bright = chosen === null ? null : new Set(replay.cells(chosen));
    for (let c = 0; c < owner.length; c++) if (owner[c] >= 0) this.paintCell(occupancy, c, bright && !bright.has(c));
    this.context.putImageData(this.image, 0, 0);
    this.markShared(occupancy);
    if (bright) this.outline(bright, this.theme.ink, 2);
    if (cell !== null) this.outline([cell], this.theme.accent, 3);
  }

  paintCell(occupancy, cell, dimmed) {
    const shades = this.theme.request(occupancy.owner[cell], dimmed);
    let slot = this.layout.start(cell);
    const rows = occupancy.rowOf(cell);
    for (const part of rows ? [] : occupancy.inOrder) slot = this.paintPart(part, slot, occupancy[part][cell], shades);
    for (const parts of rows || [])
      for (const part of occupancy.inOrder) slot = this.paintPart(part, slot, parts[part], shades);
    const size = this.layout.size();
    this.frameCell(cell, size, occupancy.live[cell] === size ? null : shades.edge);
    if (occupancy.kindOf(cell)?.window) this.markWindow(cell, shades);
  }

  // The slot after the part.
  paintPart(part, from, slots, shades) {
    if (!slots) return from;
    for (const box of this.layout.rectangles(from, from + slots)) {
      if (part === "live") this.fill(box, shades.live);
      else if (part === "reserved") this.stripe(box, shades.pale, shades.stripe, 1);
      else if (part === "padding") this.stripe(box, shades.wasteFaint, shades.wasteStripe, -1);
      else if (part === "finished") this.cross(box, shades.wasteFaint, shades.wasteStripe);
      else if (part === "expired") this.dot(box, shades.faded, shades.dots);
      else if (part === "page_padding") this.rule(box, shades.wasteFaint, shades.wasteStripe);
      else this.fill(box, shades.paper);
    }
    return from + slots;
  }

  // The edge of a cell that is not full, and the gap to its neighbour.
  frameCell(cell, size, colour) {
    const start = this.layout.start(cell);
    const paper = packed(this.theme.paper);
    for (const box of this.layout.rectangles(start, start + size)) {
      const wide = box[2] - box[0];
      if (colour !== null && wide > 5 && box[3] - box[1] > 5) this.frame(this.inset(box), colour);
      if (wide > 3) this.fill([box[2] - 1, box[1], box[2], box[3]], paper);
    }
  }

  inset([x0, y0, x1, y1]) {
    return [x0, y0, x1 - x0 > 3 ? x1 - 1 : x1, y1];
  }

  // Narrow boxes in a loop of our own: calling `fill` for each of their lines takes longer.
  fill([x0, y0, x1, y1], colour) {
    const { pixels } = this;
    const { width, height } = this.layout;
    const right = Math.min(x1, width);
    const stop = Math.min(y1, height) * width;
    for (let line = y0 * width; line < stop; line += width) {
      if (right - x0 > 24) pixels.fill(colour, line + x0, line + right);
      else for (let x = line + x0; x < line + right; x++) pixels[x] = colour;
    }
  }

  frame([x0, y0, x1, y1], colour) {
    this.fill([x0, y0, x1, y0 + 1], colour);
    this.fill([x0, y1 - 1, x1, y1], colour);
    this.fill([x0, y0, x0 + 1, y1], colour);
    this.fill([x1 - 1, y0, x1, y1], colour);
  }

  // Diagonal stripes, one every `period` pixels, rising (1) or falling (-1).
  stripe(box, ground, line, slope) {
    this.fill(box, ground);
    this.diagonals(box, line, slope, Math.round(5 * this.layout.ratio));
  }

  cross(box, ground, line) {
    this.fill(box, ground);
    this.diagonals(box, line, 1, Math.round(6 * this.layout.ratio));
    this.diagonals(box, line, -1, Math.round(6 * this.layout.ratio));
  }

  // Rows of dots.
  dot(box, ground, point) {
    this.fill(box, ground);
    const { ratio } = this.layout;
    const size = Math.max(1, Math.round(ratio));
    const period = Math.round(4 * ratio);
    for (let y = box[1] + size; y + size <= box[3]; y += period)
      for (let x = box[0] + size; x + size <= box[2]; x += period) this.fill([x, y, x + size, y + size], point);
  }

  // Level lines.
  rule([x0, y0, x1, y1], ground, line) {
    this.fill([x0, y0, x1, y1], ground);
    for (let y = y0 + 1; y < y1; y += Math.round(4 * this.layout.ratio)) this.fill([x0, y, x1, y + 1], line);
  }

  // A bar at the left edge of a block whose layers have a window, where there is room.
  markWindow(cell, shades) {
    const { ratio } = this.layout;
    const [x0, y0, x1, y1] = this.boxes(cell)[0];
    if (x1 - x0 >= 8 * ratio) this.fill([x0, y0, x0 + Math.round(2 * ratio), y1 - 1], shades.mark);
  }

  diagonals([x0, y0, x1, y1], line, slope, period) {
    const { width, height, ratio } = this.layout;
    const right = Math.min(x1, width);
    for (let thick = 0; thick < Math.max(1, Math.round(ratio)); thick++) {
      for (let y = y0; y < Math.min(y1, height); y++) {
        const phase = (((thick - slope * y - x0) % period) + period) % period;
        for (let x = x0 + phase; x < right; x += period) this.pixels[y * width + x] = line;
      }
    }
  }

  boxes(cell) {
    const start = this.layout.start(cell);
    return this.layout.rectangles(start, start + this.layout.size());
  }

  outline(cells, colour, weight) {
    const { context } = this;
    const line = weight * this.layout.ratio;
    context.strokeStyle = css(colour);
    context.lineWidth = line;
    for (const cell of cells) {
      if (!(cell >= 0)) continue;
      for (const [x0, y0, x1, y1] of this.boxes(cell)) {
        context.strokeRect(
          x0 + line / 2 - 1,
          y0 + line / 2 - 1,
          Math.max(x1 - x0 - line + 1, 1),
          Math.max(y1 - y0 - line + 2, 1),
        );
      }
    }
  }

  markShared(occupancy) {
    const { holders } = occupancy;
    for (let cell = 0; cell < holders.length; cell++) if (holders[cell] > 1) this.markCell(cell, holders[cell]);
  }

  // A corner in ink, with the number of holders where there is room.
  markCell(cell, holders) {
    const { context, layout, theme } = this;
    const [x0, y0, x1, y1] = this.boxes(cell)[0];
    const size = Math.min(x1 - x0, y1 - y0);
    context.fillStyle = css(theme.ink);
    if (size < 16 * layout.ratio) {
      context.fillRect(x0, y0, Math.ceil(size / 2.5), Math.ceil(size / 2.5));
      return;
    }
    const text = `×${holders}`;
    context.font = `600 ${10 * layout.ratio}px system-ui, sans-serif`;
    context.fillRect(x0, y0, context.measureText(text).width + 5 * layout.ratio, 12 * layout.ratio);
    context.fillStyle = css(theme.paper);
    context.fillText(text, x0 + 2 * layout.ratio, y0 + 10 * layout.ratio);
  }
}
