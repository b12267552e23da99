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
    setText(parts["of-title"], this.tableTitle(replay));
    parts["of-title"].hidden = parts["of-table"].hidden = entries.length === 0;
    const key = entries.join("|");
    if (key === panel.tableKey) return;
    panel.tableKey = key;
    parts["of-table"].replaceChildren(...entries.map((entry) => this.entry(entry, replay.side.first_block || 0)));
  }

  tableTitle(replay) {
    if (replay.rows) return "Its row";
    const tables = replay.tablesOf(this.map.request);
    if (tables.length > 1) return `Its ${tables.length} block tables`;
    return `Its block table (${counted(tables[0].length, "block")})`;
  }

  // [logical, physical, filled, size, shared]; where layers differ, lines of text before them.
  blockEntries({ replay, occupancy }) {
    const { tables, groups } = replay.side;
    const held = replay.tablesOf(this.map.request);
    if (!tables) return this.entriesOf(held[0], replay, occupancy, null);
    const entries = held.flatMap((table, t) => {
      const title = `Table ${t + 1}: ${attentionOf(groups[tables[t].group])}`;
      const own = this.entriesOf(table, replay, occupancy, tables[t]);
      return tables.length > 1 && own.length ? [title, ...own] : own;
    });
    return [...this.heldByKind(replay), ...entries.slice(0, TABLE_ENTRIES)];
  }

  entriesOf(table, replay, occupancy, own) {
    const { side } = replay;
    const size = side.block_tokens ?? side.cell_slots;
    const tokens = replay.tokens(this.map.request);
    const stored = own?.ring ? Math.min(tokens, side.groups[own.group].window) : tokens;
    return table.slice(0, TABLE_ENTRIES).map((cell, logical) => {
      const filled = own && cell < 0 ? 0 : Math.min(size, Math.max(0, stored - logical * size));
      return [logical, cell, filled, size, occupancy.holders[cell] > 1 ? occupancy.holders[cell] : 0];
    });
  }

  // Of each kind of layers, the blocks that its tables hold, and those given back inside the request.
  heldByKind(replay) {
    const { groups, tables } = replay.side;
    const held = groups.map(() => ({ has: 0, all: 0 }));
    replay.tablesOf(this.map.request).forEach((table, t) => {
      held[tables[t].group].has += table.filter((cell) => cell >= 0).length;
      held[tables[t].group].all += table.length;
    });
    return groups.flatMap((kind, k) => {
      const { has, all } = held[k];
      if (!all) return [];
      const back = has < all ? `, ${number(all - has)} given back` : "";
      return [`${kindName(kind)}: ${number(has)} of ${counted(all, "block")} held${back}`];
    });
  }

  // Where layers differ, a row for each kind of them.
  rowEntries(replay) {
    const row = replay.tables[this.map.request][0];
    if (!(row >= 0)) return [];
    const { side, step } = replay;
    const tokens = replay.hasEnded(this.map.request) ? 0 : replay.tokens(this.map.request);
    if (!side.groups) return [["row", row, tokens, side.width[step], 0]];
    return side.groups.flatMap((kind) => {
      const width = kind.width[step];
      return [kindName(kind), ["row", row, Math.min(tokens, width), width, 0]];
    });
  }

  entry(told, first) {
    if (typeof told === "string") return make("li", "bm-kind", told);
    const [logical, cell, filled, size, shared] = told;
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
