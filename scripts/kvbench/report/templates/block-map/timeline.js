// The time line: marks of events for each shown side, and curves of both on one axis. The cursor is the slider over it.

const EVENTS = ["admitted", "block added", "completed", "preempted", "prefix hit"];
const LANE_PX = 8;
const CURVE_PX = 46;
const TITLE_PX = 17;
const HANDLE_PX = 14; // above all: the slider's handle
const INSET_PX = 8; // half of the slider's thumb: its middle runs from inset to width - inset

class Timeline {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  draw(replays, width, ratio, theme) {
    Object.assign(this, { replays, width, theme });
    this.duration = Math.max(1, ...replays.map((replay) => replay.end));
    const lanes = replays.map((replay) => lanesOf(replay));
    const marks = lanes.reduce((sum, kinds) => sum + TITLE_PX + LANE_PX * kinds.length + 6, 0);
    this.height = HANDLE_PX + marks + 3 * (TITLE_PX + CURVE_PX) + TITLE_PX;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.canvas.style.height = `${this.height}px`;
    this.context.scale(ratio, ratio);
    this.top = HANDLE_PX;
    replays.forEach((replay, i) => this.drawMarks(replay, i, lanes[i]));
    this.drawCurves();
    this.drawAxis();
  }

  x(time) {
    return INSET_PX + (time / this.duration) * (this.width - 2 * INSET_PX);
  }

  title(text, colour, dash) {
    const { context } = this;
    context.font = "600 11px system-ui, sans-serif";
    context.fillStyle = css(this.theme.quiet);
    context.fillText(text, INSET_PX + (colour ? 22 : 0), this.top + 12, this.width - 2 * INSET_PX);
    if (colour)
      this.stroke(
        colour,
        dash,
        2.5,
        (c) => (c.moveTo(INSET_PX, this.top + 8.5), c.lineTo(INSET_PX + 17, this.top + 8.5)),
      );
    this.top += TITLE_PX;
  }

  stroke(colour, dash, weight, path) {
    const { context } = this;
    context.beginPath();
    context.strokeStyle = css(colour);
    context.lineWidth = weight;
    context.setLineDash(dash);
    path(context);
    context.stroke();
    context.setLineDash([]);
  }

  drawMarks(replay, number, kinds) {
    this.title(`Events of ${shortened(replay.side.engine, 40)}`, this.theme.sides[number], dashOf(number));
    for (const kind of kinds) this.drawLane(replay, kind);
    this.top += 6;
  }

  // A tick for each pixel column with an event; the more events in it, the stronger.
  drawLane(replay, kind) {
    const { context, theme } = this;
    context.fillStyle = css(theme.line);
    context.fillRect(INSET_PX, this.top + LANE_PX / 2 - 0.5, this.width - 2 * INSET_PX, 1);
    context.fillStyle = css(theme.events[kind]);
    const columns = this.eventsByColumn(replay, kind);
    const most = Math.max(...columns.values());
    for (const [column, events] of columns) {
      context.globalAlpha = 0.45 + 0.55 * Math.sqrt(events / most);
      context.fillRect(column - 1, this.top + 0.5, 2, LANE_PX - 1.5);
    }
    context.globalAlpha = 1;
    this.top += LANE_PX;
  }

  eventsByColumn(replay, kind) {
    const columns = new Map();
    const { events } = replay;
    for (let i = 0; i < events.length; i += 3) {
      if (events[i + 1] !== kind) continue;
      const column = Math.round(this.x(replay.times[events[i]] || 0));
      columns.set(column, (columns.get(column) || 0) + 1);
    }
    return columns;
  }

  drawCurves() {
    const most = (name) => Math.max(1, ...this.replays.map((r) => r.side[name].reduce((a, b) => Math.max(a, b), 0)));
    this.drawChart("Running requests", (side, step) => side.running[step], most("running"), String);
    this.drawChart("Waiting requests", (side, step) => side.waiting[step], most("waiting"), String);
    this.drawChart("Live over allocated", liveShare, 1, (value) => `${Math.round(value * 100)} %`);
  }

  drawChart(title, value, most, label) {
    this.title(title);
    const { context, theme } = this;
    const base = this.top + CURVE_PX - 6;
    const y = (v) => base - (v / most) * (CURVE_PX - 10);
    this.stroke(
      theme.line,
      [],
      1,
      (c) => (c.moveTo(INSET_PX, base + 0.5), c.lineTo(this.width - INSET_PX, base + 0.5)),
    );
    this.stroke(theme.line, [2, 3], 1, (c) => (c.moveTo(INSET_PX, y(most)), c.lineTo(this.width - INSET_PX, y(most))));
    context.textAlign = "right";
    context.fillText(label(most), this.width - INSET_PX, this.top - 3);
    context.textAlign = "left";
    this.replays.forEach((replay, i) => {
      this.stroke(theme.sides[i], dashOf(i), 1.6, (c) => this.tracePath(c, replay, value, y));
    });
    this.top += CURVE_PX;
  }

  // Steps: a value holds until the next step begins; at most two points a pixel column.
  tracePath(context, replay, value, y) {
    let column = -1;
    let last = y(0);
    context.moveTo(this.x(replay.times[0] || 0), last);
    for (let step = 0; step < replay.steps; step++) {
      const x = this.x(replay.times[step]);
      if (Math.floor(2 * x) === column) continue;
      column = Math.floor(2 * x);
      context.lineTo(x, last);
      last = y(value(replay.side, step) || 0);
      context.lineTo(x, last);
    }
    context.lineTo(this.x(replay.end), last);
    context.lineTo(this.x(replay.end), y(0));
  }

  drawAxis() {
    const { context, theme } = this;
    context.fillStyle = css(theme.quiet);
    context.font = "11px system-ui, sans-serif";
    const parts = this.width < 500 ? 2 : 5;
    for (let i = 0; i <= parts; i++) {
      context.textAlign = i === 0 ? "left" : i === parts ? "right" : "center";
      const time = (this.duration * i) / parts;
      context.fillText(seconds(time, this.duration), this.x(time), this.top + 10);
    }
    context.textAlign = "left";
  }
}

function lanesOf(replay) {
  const kinds = new Set();
  for (let i = 1; i < replay.events.length; i += 3) kinds.add(replay.events[i]);
  return [...kinds].filter((kind) => kind in EVENTS).sort();
}

function liveShare(side, step) {
  const allocated = PARTS.reduce((sum, part) => sum + (side[part]?.[step] || 0), 0);
  return allocated ? side.live[step] / allocated : 0;
}

function dashOf(number) {
  return number ? [5, 3] : [];
}

function seconds(time, duration) {
  const digits = duration < 1e5 ? 4 : duration < 1e6 ? 3 : duration < 1e7 ? 2 : 1;
  return `${(time / 1e6).toFixed(time ? digits : 0)} s`;
}

function shortened(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
