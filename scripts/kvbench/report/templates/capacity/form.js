// The inputs as elements: what they hold, the groups of layers, and the line beside an input that has no valid value.

class Form {
  constructor(root, parts, data) {
    Object.assign(this, { root, parts, data });
    this.inputs = {};
    for (const input of root.querySelectorAll("[data-input]")) this.inputs[input.dataset.input] = input;
    this.groups = new Groups(parts.groups);
    const named = Object.entries(data.shapes).map(([name, shape]) => [name, shape.label]);
    fillSelect(this.inputs.model, [...named, [OWN, "own sizes"]]);
    fillSelect(
      this.inputs.dtype,
      Object.keys(data.dtypes).map((name) => [name, name]),
    );
    fillSelect(
      this.inputs.kv_dtype,
      ["auto", ...Object.keys(data.kv_dtypes)].map((name) => [name, name === "auto" ? "as the weights" : name]),
    );
    fillSelect(this.inputs.card, [...Object.keys(data.cards).map((name) => [name, name]), [OWN, "own memory"]]);
    fillSelect(this.inputs.workload, [
      ...Object.keys(data.workloads).map((name) => [name, name]),
      [FROM_FILE, "your own"],
    ]);
    fillSelect(parts.preset, [["", "own settings"], ...Object.keys(data.plans).map((name) => [name, name])]);
  }

  read() {
    const settings = Object.fromEntries(Object.entries(this.inputs).map(([name, input]) => [name, input.value.trim()]));
    return inOrder(
      settings.model === OWN ? { ...settings, groups: this.groups.text() } : { ...settings, parameters: "" },
    );
  }

  write(settings) {
    for (const [name, input] of Object.entries(this.inputs)) this.writeOne(input, settings[name]);
    this.groups.write(settings.groups);
    this.follow();
  }

  // A value that a list does not have, from a link, stays there to be said to be wrong.
  writeOne(input, value) {
    const listed = input.options && [...input.options].some((option) => option.value === value);
    if (input.options && !listed) input.append(Object.assign(make("option", "", value), { value }));
    input.value = value;
  }

  // What one input decides about others: own sizes of a model, the memory of a named card, a file in place of lengths.
  follow(changed) {
    const { model, card, memory_gib, parameters, workload, requests } = this.inputs;
    if (changed === "model" && model.value === OWN) this.copyShape();
    if (changed === "card" && card.value in this.data.cards) memory_gib.value = memoryOf(this.data.cards[card.value]);
    if (changed === "memory_gib") card.value = OWN;
    if (this.data.shapes[model.value]) this.shape = this.data.shapes[model.value];
    this.parts.sizes.hidden = model.value !== OWN;
    parameters.disabled = model.value !== OWN;
    setText(this.parts.shape, model.value === OWN ? "" : wordsOf(this.data.shapes[model.value]));
    this.parts.trace.hidden = workload.value !== FROM_FILE;
    requests.closest(".field").hidden = workload.value === FROM_FILE;
  }

  // Own sizes begin with those of the model before.
  copyShape() {
    if (!this.shape) return;
    this.inputs.parameters.value = this.shape.parameters;
    this.groups.write(groupsText(this.shape.groups));
  }

  // Writes a line beside each input that has one, and takes the others away.
  show(errors) {
    for (const line of this.root.querySelectorAll("[data-error]")) {
      const text = errors[line.dataset.error] || "";
      setText(line, text);
      line.hidden = !text;
      const input = this.inputs[line.dataset.error];
      if (text) input?.setAttribute("aria-invalid", "true");
      else input?.removeAttribute("aria-invalid");
    }
  }
}

// The label of an input, or what a group of them is called.
function labelOf(name) {
  const others = { groups: "layers", trace: "your requests" };
  return others[name] || document.querySelector(`label[for="in-${name}"]`).textContent;
}

function wordsOf(shape) {
  if (!shape) return "";
  const layers = shape.groups.map((group) => `${counted(group.layers, `${group.kind} layer`)}${sizeWords(group)}`);
  const context = shape.max_context ? `; up to ${number(shape.max_context)} tokens` : "";
  return `${layers.join("; ")}; ${number(shape.parameters)} parameters${context}`;
}

function sizeWords(group) {
  const window = group.window ? `, of the last ${number(group.window)} tokens` : "";
  if (!group.kv_heads) return ` of ${number(group.elements)} elements a token${window}`;
  return ` of ${counted(group.kv_heads, "KV head")} of ${number(group.head_dim)}${window}`;
}
