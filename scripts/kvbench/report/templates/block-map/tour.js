// The guided tour: real moments, one stop after the other.

class Tour {
  constructor(map, parts) {
    this.map = map;
    this.parts = parts;
    this.at = -1;
    parts["tour-next"].addEventListener("click", () => this.go(this.at + 1));
    parts["tour-back"].addEventListener("click", () => this.go(this.at - 1));
  }

  fill() {
    this.stops = this.map.data.tour || [];
    this.parts.tour.hidden = this.stops.length === 0;
    this.write();
  }

  go(stop) {
    this.at = Math.min(Math.max(stop, 0), this.stops.length - 1);
    const { side, step, request, cell } = this.stops[this.at];
    this.map.player.stop();
    this.map.request = request ?? null;
    this.map.cell = cell ?? null;
    this.map.cellSide = side;
    this.map.goTo(side, step);
    this.map.address.write();
    this.write();
  }

  write() {
    const { parts, stops, at } = this;
    const stop = stops[at];
    setText(parts["tour-title"], stop ? stop.title : "A guided tour");
    setText(
      parts["tour-text"],
      stop ? stop.text : `${stops.length} ${stops.length === 1 ? "moment" : "moments"} of this run, explained.`,
    );
    setText(parts["tour-place"], stop ? `${at + 1} of ${stops.length}` : "");
    setText(parts["tour-next"], stop ? "Next" : "Start");
    parts["tour-back"].disabled = at <= 0;
    parts["tour-next"].disabled = at >= stops.length - 1;
  }
}
