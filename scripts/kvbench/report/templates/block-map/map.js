// One map: the shown sides, the moment, the chosen request. The moment is a step of the side that leads.

class BlockMap {
  constructor(root) {
    this.root = root;
    this.parts = partsOf(root);
    this.request = this.cell = this.cellSide = null;
    this.shown = [];
    this.time = 0;
    this.replays = [];
    this.occupancies = [];
    this.name = root.dataset.name;
    this.ready = new Promise((resolve) => (this.opened = resolve));
  }

  start(data) {
    this.data = data;
    this.name = `${data.model}/${data.workload}`;
    this.shown = data.sides.map((_, side) => side).slice(0, 2);
    this.lead = 0;
    this.theme = new Theme(this.root);
    const figures = [...this.root.querySelectorAll("[data-part=side]")];
    const tables = [...this.root.querySelectorAll("[data-part=of-side]")];
    this.allPanels = figures.map((figure, i) => Object.assign(new Panel(figure, this), { detailsElement: tables[i] }));
    this.timeline = new Timeline(this.parts.curves);
    this.details = new Details(this.parts, this);
    this.player = new Player(this, this.parts);
    this.tour = new Tour(this, this.parts);
    this.address = new Address(this);
    new Controls(this, this.parts);
    this.fill();
    this.goTo(0, this.fullest());
    new ResizeObserver(() => this.fit()).observe(this.parts.sides);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.retheme());
  }

  fill() {
    this.details.fill();
    this.tour.fill();
    this.arrange();
    this.player.fill();
  }

  replay(side) {
    return (this.replays[side] ||= new Replay(this.data.sides[side], this.data.requests));
  }

  occupancy(side) {
    return (this.occupancies[side] ||= new Occupancy(this.replay(side)));
  }

  // After a change of the shown sides: panels, axis and selectors.
  arrange() {
    const replays = this.shown.map((side) => this.replay(side));
    this.duration = Math.max(1, ...replays.map((replay) => replay.end));
    this.allPanels.forEach((panel, i) => {
      panel.element.hidden = panel.detailsElement.hidden = i >= this.shown.length;
    });
    this.panels = this.allPanels.slice(0, this.shown.length);
    this.panels.forEach((panel, i) => {
      panel.show(this.shown[i], replays[i], this.occupancy(this.shown[i]), this.theme.sides[i]);
    });
    this.parts.slider.max = this.duration;
    this.parts.sides.dataset.shown = this.shown.length;
    this.width = 0;
    this.onArranged?.();
  }

  // Sizes of canvases follow the width of the panels; 0 while the map is hidden.
  fit() {
    const width = this.parts.sides.clientWidth && this.panels[0].parts.frame.clientWidth;
    if (!width || width === this.width) return;
    this.width = width;
    const ratio = Math.min(3, devicePixelRatio || 1);
    const replays = this.shown.map((side) => this.replay(side));
    const layouts = layOut(replays, width, ratio);
    this.panels.forEach((panel, i) => panel.grid.resize(layouts[i], this.theme));
    this.timeline.draw(replays, this.parts.curves.parentElement.clientWidth, ratio, this.theme);
    this.parts.slider.style.height = `${this.timeline.height}px`;
    setText(this.parts.scale, this.scaleText(layouts[0].line));
    this.draw();
  }

  scaleText(line) {
    const replays = this.panels.map((panel) => panel.replay);
    const paged = replays.filter((r) => !r.rows);
    const sizes = [...new Set(paged.map(pageSize))];
    const block = sizes.length ? `, a ${unitOf(paged[0])} has ${sizes.join(" or ")}` : "";
    const window = paged.some(({ side }) => side.tables?.some((table) => side.groups[table.group].window !== null));
    const edge = window ? " A bar at the left edge: a block of layers with a window." : "";
    const both = replays.length > 1 ? "Both maps have one scale and one clock" : "Scale";
    const rows = replays.some((r) => r.rows && r.side.groups?.length > 1)
      ? " A row: its layers with full attention, then those with a window, which hold fewer tokens."
      : "";
    const shared = replays.some((r) => lanesOf(r).includes(4)) ? " ×n: a block that n requests share." : "";
    return `${both}: a full line is ${number(line)} slots${block}.${edge}${rows}${shared}`;
  }

  retheme() {
    this.theme = new Theme(this.root);
    this.width = 0;
    this.panels.forEach((panel, i) => {
      panel.queueKey = null;
      panel.element.style.setProperty("--bm-side", css(this.theme.sides[i]));
    });
    this.fit();
  }

  // The first step at which most slots are allocated.
  fullest() {
    const { side, steps } = this.replay(0);
    const allocated = (step) => PARTS.reduce((sum, part) => sum + (side[part]?.[step] || 0), 0);
    let best = 0;
    for (let step = 1; step < steps; step++) if (allocated(step) > allocated(best)) best = step;
    return best;
  }

  step() {
    return Math.max(0, this.replay(this.lead).step);
  }

  steps() {
    return this.replay(this.lead).steps;
  }

  atEnd() {
    return this.shown.every((side) => (this.replay(side).times.at(-1) ?? 0) <= this.time);
  }

  goTo(side, step) {
    if (!this.data.sides[side]) return;
    if (!this.shown.includes(side)) this.showSides([this.shown[0], side]);
    const replay = this.replay(side);
    const wanted = Math.min(Math.max(step, 0), replay.steps - 1);
    this.lead = side;
    this.time = replay.times[wanted] ?? 0;
    this.seekAll(wanted);
  }

  goToTime(time) {
    this.time = Math.min(Math.max(time, 0), this.duration);
    const later = this.shown.find((side) => (this.replay(side).times.at(-1) ?? -1) >= this.time);
    if (this.time > this.replay(this.lead).end && later !== undefined) this.lead = later;
    const replay = this.replay(this.lead);
    this.seekAll(Math.min(Math.max(replay.stepAt(this.time), 0), replay.steps - 1));
  }

  seekAll(leadStep) {
    for (const side of this.shown) {
      const replay = this.replay(side);
      replay.seek(side === this.lead ? leadStep : replay.stepAt(this.time));
    }
    this.draw();
    if (!this.player.playing) this.settled();
  }

  // At its end the side that leads hands over to one that still runs.
  stepBy(count) {
    const target = this.step() + count;
    const next = this.shown.find((side) => (this.replay(side).times.at(-1) ?? -1) > this.time);
    if (target < this.steps() || next === undefined) return this.goTo(this.lead, target);
    return this.goTo(next, Math.max(this.replay(next).stepAt(this.time), -1) + 1);
  }

  choose(request) {
    this.request = request !== null && this.data.requests[request] ? request : null;
    this.cell = null;
    this.draw();
    this.address.write();
  }

  cellOn(side) {
    return this.cell !== null && side === this.cellSide ? this.cell : null;
  }

  showSides(sides) {
    const wanted = [...new Set(sides)].filter((side) => this.data.sides[side]).slice(0, 2);
    if (!wanted.length || wanted.join() === this.shown.join()) return;
    this.shown = wanted;
    if (!wanted.includes(this.lead)) this.lead = wanted[0];
    this.arrange();
    this.player.fill();
    this.goToTime(this.time);
    this.fit();
  }

  showsDefault() {
    return this.shown.every((side, i) => side === i);
  }

  draw() {
    this.onMoved?.();
    if (!this.width) return this.panels.forEach((panel) => panel.occupancy.update());
    this.panels.forEach((panel) => panel.draw());
    this.details.draw();
    return undefined;
  }

  // One sentence for readers who do not see the map, once it rests.
  settled() {
    clearTimeout(this.said);
    this.said = setTimeout(() => {
      const told = this.panels.map((panel) => panel.parts.grid.getAttribute("aria-label") || "");
      setText(this.parts.live, `At ${seconds(this.time, this.duration)}. ${told.join(" ")}`);
    }, 400);
  }
}

// Slots of a cell; where layers differ, the tokens and layers that they are.
function pageSize({ side }) {
  if (!(side.groups?.length > 1)) return number(side.cell_slots);
  const layers = side.cell_slots / side.block_tokens;
  return `${number(side.cell_slots)} (${counted(side.block_tokens, "token")} in ${counted(layers, "layer")})`;
}
