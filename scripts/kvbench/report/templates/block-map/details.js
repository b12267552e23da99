// The chosen request: prompt, and for each shown side how far it is, its text so far and its block table.

const TABLE_ENTRIES = 600;

class Details {
  constructor(parts, map) {
    this.parts = parts;
    this.map = map;
    parts["request-list"].addEventListener("change", (event) => {
      map.choose(event.target.value === "" ? null : Number(event.target.value));
    });
    parts["request-clear"].addEventListener("click", () => map.choose(null));
  }

  fill() {
    const { requests } = this.map.data;
    const options = requests.map((_, request) => [request, nameOf(requests, request)]);
    fillSelect(this.parts["request-list"], [["", "none"], ...options]);
  }

  draw() {
    const { map, parts } = this;
    const chosen = map.request !== null;
    parts["request-list"].value = chosen ? map.request : "";
    parts["request-clear"].hidden = parts.chosen.hidden = !chosen;
    parts.hint.hidden = chosen;
    if (!chosen) return;
    this.writePrompt(map.data.requests[map.request]);
    map.panels.forEach((panel) => this.writeSide(panel));
  }

  writePrompt(request) {
    const { parts } = this;
    setText(parts["request-name"], shortened(String(request.id), 120));
    setText(
      parts["request-size"],
      `${counted(request.prompt_tokens, "token")} of prompt, ${number(request.output_tokens)} to generate`,
    );
    const text = request.prompt ?? "The text of this prompt is not known.";
    setText(parts.prompt, text);
    parts.prompt.classList.toggle("bm-unknown", request.prompt === null);
    const colour = colourOfRequest(this.map.request, this.map.theme.dark);
    parts.chosen.style.setProperty("--bm-request", css(colour));
  }

  writeSide(panel) {
    const request = this.map.data.requests[this.map.request];
    const parts = (panel.details ||= partsOf(panel.detailsElement));
    setText(parts["of-engine"], panel.replay.side.engine);
    setText(parts["of-state"], this.state(panel.replay));
    const count = generated(request, panel.replay, this.map.request);
    setText(parts["of-count"], `${number(count)} of ${counted(request.output_tokens, "token")} generated`);
    setText(parts["of-text"], request.output ? request.output.slice(0, count).join("") : "");
    parts["of-text"].hidden = !request.output || count === 0;
    this.writeTable(panel, parts);
  }

  state(replay) {
    const { request } = this.map;
    const tokens = replay.tokens(request);
    const final = replay.side.final[request];
    switch (replay.status(request)) {
      case "running":
        return `running: ${number(Math.max(tokens, 0))} of ${number(final)} tokens in the cache`;
      case "ended":
        return "complete, but its memory is still held";
      case "completed":
        return "complete: it holds nothing any more";
      case "waiting":
        return replay.mostTokens(request) < 0
          ? "waiting: it holds nothing"
          : "preempted: it lost its blocks and waits again";
      default:
        return "not served by this engine";
    }
  }

  writeTable(panel, parts) {
    const { replay } = panel;
    const entries = replay.rows ? this.rowEntries(replay) : this.blockEntries(panel);
    setText(
      parts["of-title"],
      replay.rows ? "Its row" : `Its block table (${counted(replay.tables[this.map.request].length, "block")})`,
    );
    parts["of-title"].hidden = parts["of-table"].hidden = entries.length === 0;
    const key = entries.join("|");
    if (key === panel.tableKey) return;
    panel.tableKey = key;
    parts["of-table"].replaceChildren(...entries.map((entry) => this.entry(entry, replay.side.first_block || 0)));
  }

  // [logical, physical, filled, size, shared]
  blockEntries({ replay, occupancy }) {
    const size = replay.side.cell_slots;
    const tokens = replay.tokens(this.map.request);
    return replay.tables[this.map.request].slice(0, TABLE_ENTRIES).map((cell, logical) => {
      const filled = Math.min(size, Math.max(0, tokens - logical * size));
      return [logical, cell, filled, size, occupancy.holders[cell] > 1 ? occupancy.holders[cell] : 0];
    });
  }

  rowEntries(replay) {
    const row = replay.tables[this.map.request][0];
    if (!(row >= 0)) return [];
    const width = replay.side.width[replay.step];
    return [["row", row, replay.hasEnded(this.map.request) ? 0 : replay.tokens(this.map.request), width, 0]];
  }

  entry([logical, cell, filled, size, shared], first) {
    const item = make("li", "bm-entry");
    item.append(make("span", "bm-logical", String(logical)));
    item.append(make("span", "bm-arrow", "→"));
    item.append(make("b", "", cell >= 0 ? String(cell + first) : "none"));
    const meter = make("span", "bm-meter");
    meter.style.setProperty("--bm-filled", `${(100 * filled) / size}%`);
    item.append(meter, make("span", "bm-fill", `${filled}/${size}`));
    if (shared) item.append(make("span", "bm-shared", `shared ×${shared}`));
    return item;
  }
}
