// Buttons, slider, number of the step, selectors and keys of one map.

const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };

class Controls {
  constructor(map, parts) {
    this.map = map;
    this.parts = parts;
    const on = (part, type, act) => parts[part].addEventListener(type, act);
    on("home", "click", () => this.moved(() => map.goTo(map.lead, 0)));
    on("end", "click", () => this.moved(() => map.goTo(map.lead, map.steps() - 1)));
    on("back", "click", () => this.moved(() => map.stepBy(-1)));
    on("forward", "click", () => this.moved(() => map.stepBy(1)));
    on("slider", "input", () => this.moved(() => map.goToTime(Number(parts.slider.value))));
    on("step", "change", () => this.moved(() => map.goTo(map.lead, Math.round(Number(parts.step.value)) || 0)));
    on("lead", "change", () => this.moved(() => map.goTo(...this.newLead())));
    on("play", "click", () => map.address.write());
    on("first", "change", () => this.moved(() => this.chooseSides()));
    on("second", "change", () => this.moved(() => this.chooseSides()));
    on("body", "keydown", (event) => this.key(event));
    map.onArranged = () => this.fill();
    map.onMoved = () => this.write();
  }

  moved(act) {
    this.map.player.stop();
    act();
    this.map.address.write();
  }

  newLead() {
    const side = Number(this.parts.lead.value);
    return [side, this.map.replay(side).stepAt(this.map.time)];
  }

  chooseSides() {
    const second = this.parts.second.value;
    this.map.showSides([Number(this.parts.first.value), ...(second === "" ? [] : [Number(second)])]);
  }

  fill() {
    const { map, parts } = this;
    const named = map.data.sides.map((side, i) => [i, shortened(side.engine, 40)]);
    fillSelect(parts.first, named);
    fillSelect(parts.second, [...named, ["", "nothing"]]);
    fillSelect(
      parts.lead,
      map.shown.map((side) => named[side]),
    );
    [parts.first.value, parts.second.value] = [map.shown[0], map.shown[1] ?? ""];
    parts.chooser.hidden = named.length < 3;
    parts["lead-label"].hidden = map.shown.length < 2;
    parts.grey.hidden = map.panels.every((panel) => !panel.occurs("padding") && !panel.occurs("finished"));
    parts.dotted.hidden = map.panels.every((panel) => !panel.occurs("expired"));
    parts.ruled.hidden = map.panels.every((panel) => !panel.occurs("page_padding"));
    parts.layered.hidden = map.panels.every((panel) => !(panel.replay.side.groups?.length > 1));
    const kinds = new Set(map.shown.flatMap((side) => lanesOf(map.replay(side))));
    for (const item of parts.body.querySelectorAll("[data-event]"))
      item.hidden = !kinds.has(Number(item.dataset.event));
  }

  write() {
    const { map, parts } = this;
    parts.slider.value = map.time;
    const last = Math.max(map.steps() - 1, 0);
    parts.slider.setAttribute("aria-valuetext", `step ${map.step()} of ${last}, ${seconds(map.time, map.duration)}`);
    parts.step.max = last;
    if (document.activeElement !== parts.step || !map.player.playing) parts.step.value = map.step();
    parts.lead.value = map.lead;
    setText(parts["last-step"], `of ${number(last)}`);
    setText(parts.clock, seconds(map.time, map.duration));
  }

  // Keys act wherever the focus is in the map, unless the focused control needs them itself.
  key(event) {
    const { target } = event;
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (target.matches("select, input:not([type=range]), .bm-text, .bm-table")) return;
    const act = this.action(event, target.matches("button, summary, a"));
    if (!act) return;
    event.preventDefault();
    act();
  }

  action(event, button) {
    const { map } = this;
    if (event.key === " ") return button ? null : () => map.player.toggle();
    if (event.key === "Home") return () => this.moved(() => map.goTo(map.lead, 0));
    if (event.key === "End") return () => this.moved(() => map.goTo(map.lead, map.steps() - 1));
    if (event.key === "Escape" && map.request !== null) return () => map.choose(null);
    const by = KEYS[event.key];
    return by ? () => this.moved(() => map.stepBy(by * (event.shiftKey ? 10 : 1))) : null;
  }
}
