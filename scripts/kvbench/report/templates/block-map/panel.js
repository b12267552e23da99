// One shown side: its heading, counts, bar, map, queue and what a pointer over a cell finds.

const CHIP_PX = 64;

class Panel {
  constructor(element, map) {
    this.element = element;
    this.map = map;
    this.parts = partsOf(element);
    this.grid = new Grid(this.parts.grid);
    this.bars = Object.fromEntries([...element.querySelectorAll("[data-bar]")].map((e) => [e.dataset.bar, e]));
    this.counts = [...element.querySelectorAll("[data-count]")];
    this.parts.grid.addEventListener("pointermove", (event) => this.point(event));
    this.parts.grid.addEventListener("pointerleave", () => (this.parts.tip.hidden = true));
    this.parts.grid.addEventListener("click", (event) => this.choose(event));
  }

  show(number, replay, occupancy, colour) {
    Object.assign(this, { number, replay, occupancy });
    this.element.dataset.side = number;
    this.element.style.setProperty("--bm-side", css(colour));
    setText(this.parts.engine, replay.side.engine);
    setText(this.parts.source, replay.side.source || "");
    setText(this.parts.unit, `${unitOf(replay)}s in use`);
    setText(this.parts.unused, `${freeUnit(replay)} free`);
    setText(this.parts.needed, replay.side.groups ? " that a later one attends to" : "");
    this.parts.queued.parentElement.classList.toggle("bm-never", !replay.side.waiting.some((count) => count > 0));
    for (const part of ["padding", "finished", "expired", "page_padding"]) {
      this.element.querySelector(`[data-count="${part}"]`).closest("li").hidden = !this.occurs(part);
    }
  }

  occurs(part) {
    return (this.replay.side[part] || []).some((slots) => slots > 0);
  }

  draw() {
    this.occupancy.update();
    const { counts } = this.occupancy;
    this.grid.draw(this.occupancy, this.map.request, this.map.cellOn(this.number));
    this.writeCounts(counts);
    this.writeKinds(counts.kinds);
    this.writeQueue();
    setText(this.parts.where, this.where());
    this.parts.grid.setAttribute("aria-label", this.described(counts));
  }

  where() {
    const { step, steps, end, side } = this.replay;
    if (!steps) return "no step was recorded";
    if (step < 0) return "not begun";
    if (step >= steps) return `all served after ${seconds(end, this.map.duration)}`;
    const read = step - (step % side.every);
    return `step ${step} of ${steps - 1}${read < step ? `, blocks as of step ${read}` : ""}`;
  }

  described(counts) {
    return (
      `${this.replay.side.engine}, ${this.where()}: ${counts.running} running, ${counts.waiting} waiting; ` +
      `${counts.used} ${unitOf(this.replay)}s in use, ${counts.free} ${freeUnit(this.replay)} free; ` +
      PARTS.filter((part) => !(part in LATER) || counts[part] > 0)
        .map((part) => `${counts[part]} ${wordOf(part)}`)
        .join(", ") +
      ` slots; ${percent(counts.share)} of allocated slots live.`
    );
  }

  writeCounts(counts) {
    for (const element of this.counts) {
      const name = element.dataset.count;
      element.dataset.value = counts[name] ?? "";
      setText(element, name === "share" ? percent(counts.share) : number(counts[name]));
      if (PARTS.includes(name) && counts[name] > 0) element.closest("li").hidden = false;
    }
    const pool = Math.max(poolSlots(this.replay), counts.allocated, 1);
    for (const part of PARTS) this.bars[part].style.width = `${(100 * counts[part]) / pool}%`;
    const wrong = this.occupancy.differences();
    this.parts.warning.hidden = wrong.length === 0;
    setText(this.parts.warning, wrong.length ? `This step does not add up to kv.parquet: ${wrong.join(", ")}.` : "");
  }

  // What each kind of layers holds, where they differ.
  writeKinds(kinds) {
    const { side } = this.replay;
    this.parts.kinds.hidden = kinds.length === 0;
    this.parts.kinds.replaceChildren(
      ...kinds.map((counts, k) => {
        const kind = side.groups[k];
        const item = make("li", "", `${kindName(kind)}: ${this.kindText(counts, side.slot_bytes)}`);
        if (kind.width && counts.allocated) item.append(`; a row has room for ${counted(this.width(kind), "token")}`);
        for (const part of ["allocated", ...PARTS]) item.setAttribute(`data-${part}`, counts[part]);
        return item;
      }),
    );
  }

  width(kind) {
    return kind.width[this.replay.step] || 0;
  }

  kindText(counts, slotBytes) {
    const held = PARTS.filter((part) => counts[part]).map((part) => `${number(counts[part])} ${wordOf(part)}`);
    const size = `${counted(counts.allocated, "slot")} (${bytes(counts.allocated * slotBytes)})`;
    return held.length ? `${size}, ${held.join(", ")}` : size;
  }

  writeQueue() {
    const waiting = this.occupancy.queue;
    const shown = waiting.slice(0, 2 * Math.floor(this.map.width / CHIP_PX)); // two lines of them
    const key = `${waiting.length}:${shown}:${this.map.request}`;
    if (key === this.queueKey) return;
    this.queueKey = key;
    const first = shown.length < waiting.length ? `, the first ${shown.length}:` : "";
    setText(this.parts.queued, waiting.length ? `Queue: ${number(waiting.length)} waiting${first}` : "Queue: empty");
    this.parts.queue.replaceChildren(...shown.map((request) => this.chip(request)));
  }

  chip(request) {
    const chip = make("button", "bm-chip", `#${request}`);
    chip.type = "button";
    chip.setAttribute("aria-pressed", String(request === this.map.request));
    chip.setAttribute("aria-label", `waiting request ${nameOf(this.map.data.requests, request)}`);
    chip.style.setProperty("--bm-request", css(colourOfRequest(request, this.map.theme.dark)));
    chip.addEventListener("click", () => this.map.choose(request === this.map.request ? null : request));
    return chip;
  }

  cellUnder(event) {
    const box = this.parts.grid.getBoundingClientRect();
    const { layout } = this.grid;
    const zoom = layout.width / layout.ratio / box.width;
    return layout.cellAt((event.clientX - box.left) * zoom, (event.clientY - box.top) * zoom);
  }

  point(event) {
    const cell = this.cellUnder(event);
    this.parts.tip.hidden = cell < 0;
    if (cell < 0) return;
    setText(this.parts.tip, this.told(cell));
    const box = this.parts.tip.parentElement.getBoundingClientRect();
    const left = Math.min(event.clientX - box.left + 12, box.width - this.parts.tip.offsetWidth);
    this.parts.tip.style.transform = `translate(${Math.max(0, left)}px, ${event.clientY - box.top + 16}px)`;
  }

  told(cell) {
    const { owner, logical, holders } = this.occupancy;
    const name = unitOf(this.replay);
    const unit = `${name[0].toUpperCase()}${name.slice(1)} ${cell + (this.replay.side.first_block || 0)}`;
    if (owner[cell] < 0) return `${unit}: free`;
    const shared = holders[cell] > 1 ? `, shared ×${holders[cell]}` : "";
    const kind = this.occupancy.kindOf(cell);
    const place = this.replay.rows ? "" : `, its block ${logical[cell]}${kind ? ` of table ${this.occupancy.table[cell] + 1} (${attentionOf(kind)})` : ""}`;
    const held = PARTS.filter((part) => this.occupancy[part][cell]).map(
      (part) => `${this.occupancy[part][cell]} ${wordOf(part)}`,
    );
    const holder = nameOf(this.map.data.requests, owner[cell]);
    return `${unit}: request ${holder}${place}${shared}; ${held.join(", ")}`;
  }

  choose(event) {
    const cell = this.cellUnder(event);
    const request = cell < 0 ? -1 : this.occupancy.owner[cell];
    this.map.choose(request < 0 || request === this.map.request ? null : request);
  }
}
