// The layers of a model with own sizes: a row of inputs for each group.

const FIRST_GROUP = "full:32:8:128";
const NEXT_GROUP = "sliding:32:8:128:4096";
const KIND_WORDS = { full: "full: every token", sliding: "sliding: the last tokens", mla: "mla: a latent vector" };

class Groups {
  constructor(root) {
    this.root = root;
  }

  text() {
    return [...this.root.children].map(textOfRow).join(",");
  }

  write(text) {
    const groups = (text || FIRST_GROUP).split(",");
    this.root.replaceChildren(...groups.map((group) => this.row(group.split(":"))));
    this.follow();
  }

  add() {
    const row = this.row((this.root.children.length ? NEXT_GROUP : FIRST_GROUP).split(":"));
    this.root.append(row);
    this.follow();
    row.querySelector("select").focus();
  }

  remove(row) {
    row.remove();
    this.follow();
  }

  // The last row stays.
  follow() {
    const rows = [...this.root.children];
    rows.forEach((row, place) => {
      row.setAttribute("aria-label", `Group ${place + 1}`);
      row.querySelector("button").hidden = rows.length === 1;
    });
  }

  row([kind, ...sizes]) {
    const row = make("fieldset", "group");
    const select = make("select");
    const known = kind in KIND_SIZES ? Object.keys(KIND_SIZES) : [kind, ...Object.keys(KIND_SIZES)];
    fillSelect(
      select,
      known.map((name) => [name, KIND_WORDS[name] || name]),
    );
    select.value = kind;
    select.setAttribute("aria-label", "Kind of layers");
    const remove = Object.assign(make("button", "plain", "Remove"), { type: "button" });
    remove.dataset.remove = "";
    row.append(select, ...inputsOf(kind, sizes), remove);
    return row;
  }

  // Another kind has other sizes; those of the same name keep their values.
  changeKind(row) {
    const kind = row.querySelector("select").value;
    const before = Object.fromEntries(
      [...row.querySelectorAll("input")].map((input) => [input.dataset.size, input.value]),
    );
    const usual = {
      layers: "32",
      kv_heads: "8",
      head_dim: "128",
      window: "4096",
      latent: "512",
      rope: "64",
      ...before,
    };
    const sizes = ["layers", ...KIND_SIZES[kind]].map((name) => usual[name]);
    row.querySelectorAll("label").forEach((label) => label.remove());
    row.querySelector("select").after(...inputsOf(kind, sizes));
  }
}

function inputsOf(kind, sizes) {
  return ["layers", ...(KIND_SIZES[kind] || [])].map((name, place) => {
    const label = make("label", "size", SIZE_NAMES[name]);
    const input = Object.assign(make("input"), {
      inputMode: "numeric",
      autocomplete: "off",
      value: sizes[place] ?? "",
    });
    input.dataset.size = name;
    label.append(input);
    return label;
  });
}

function textOfRow(row) {
  const sizes = [...row.querySelectorAll("input")].map((input) => input.value.replace(/[\s,:]/g, ""));
  return [row.querySelector("select").value, ...sizes].join(":");
}
