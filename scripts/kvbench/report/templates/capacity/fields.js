// The inputs of the page: what may be typed, and the plan that they make. Bounds as in schemas/config.schema.yaml.

const OWN = "own"; // in place of a model's or a card's name
const FROM_FILE = "file"; // in place of a workload's name

const WHOLES = {
  cards_per_model: [1, 1024],
  requests: [1, 100000],
  max_length: [2, 10000000],
  block_size: [1, 1024],
  max_running: [1, 100000],
  max_step_tokens: [1, 1000000],
};
const PARAMETERS = [1, 100000000000000];
const SIZES = {
  layers: [1, 1000],
  kv_heads: [1, 65536],
  head_dim: [1, 10000000],
  window: [2, 10000000],
  latent: [1, 10000000],
  rope: [1, 10000000],
};
const SIZE_NAMES = {
  layers: "layers",
  kv_heads: "KV heads",
  head_dim: "head size",
  window: "window",
  latent: "latent size",
  rope: "rotary size",
};
const REALS = { memory_fraction: [0, 1], activation_reserve: [0, 1] };
const RATE = [0.0001, 1000000];
const TIMES = ["constant_s", "per_sequence_s", "per_token_s", "prefill_s"];
const LONGEST_STEP_S = 3600;
const DEFAULTS = {
  dtype: "float16",
  kv_dtype: "auto",
  card: { name: "a card of 80 GB", memory_gib: 80, memory_fraction: 0.9, activation_reserve: 0.05 },
  cards_per_model: 1,
  workload: "sharegpt",
  requests: 10000,
  max_length: 2048,
  block_size: 16,
  max_running: 1024,
  max_step_tokens: 8192,
};

const NAMES_IN_ORDER = [
  ...["model", "parameters", "groups", "dtype", "kv_dtype", "card", "memory_gib", "cards_per_model", "memory_fraction"],
  ...["activation_reserve", "workload", "requests", "max_length", "block_size", "max_running", "max_step_tokens"],
  ...["requests_per_s", ...TIMES],
];

// Settings by name, in the order of the page; empty where there is none.
function inOrder(settings) {
  return Object.fromEntries(NAMES_IN_ORDER.map((name) => [name, String(settings[name] ?? "")]));
}

// What the inputs hold for a plan: text by name.
function settingsOf(plan, data) {
  const { card } = plan;
  const settings = {
    model: plan.shape ? OWN : plan.model,
    parameters: plan.shape ? plan.shape.parameters : "",
    groups: plan.shape ? groupsText(plan.shape.groups || [{ kind: "full", ...plan.shape }]) : "",
    dtype: plan.dtype,
    kv_dtype: plan.kv_dtype || "auto",
    card: cardName(card, data.cards),
    memory_gib: card.memory_gib,
    memory_fraction: card.memory_fraction,
    activation_reserve: card.activation_reserve,
    workload: plan.workload,
    requests_per_s: plan.requests_per_s ?? "",
  };
  for (const name of Object.keys(WHOLES)) settings[name] = plan[name];
  for (const name of TIMES) settings[name] = plan.step_time?.[name] || "";
  return inOrder(settings);
}

function cardName(card, cards) {
  return card.name in cards && memoryOf(cards[card.name]) === card.memory_gib ? card.name : OWN;
}

// GiB of a card with so many MiB, in whole hundredths.
function memoryOf(mib) {
  return Math.floor((mib * 100) / 1024) / 100;
}

// kind:layers:size:size, one for each group, separated by commas; as links have them.
function groupsText(groups) {
  return groups.map((group) => [group.kind, group.layers, ...sizesOf(group)].join(":")).join(",");
}

function sizesOf(group) {
  if (KIND_SIZES[group.kind].every((name) => group[name])) return KIND_SIZES[group.kind].map((name) => group[name]);
  if (group.kind === "mla") return [Math.max(1, group.elements - 64), Math.min(64, group.elements - 1)];
  return [1, group.elements / 2, ...(group.window ? [group.window] : [])];
}

// The plan of what is typed, with a line for each input that has no valid value: {plan, errors: {name: line}}.
function planOf(settings, data) {
  const errors = {};
  const read = (name, parse) => {
    try {
      return parse(settings[name]);
    } catch (error) {
      errors[name] = error.message;
      return null;
    }
  };
  const plan = {};
  for (const name of Object.keys(WHOLES)) plan[name] = read(name, (text) => whole(text, WHOLES[name]));
  plan.dtype = read("dtype", (text) => oneOf(text, Object.keys(data.dtypes)));
  plan.kv_dtype = read("kv_dtype", (text) => oneOf(text, ["auto", ...Object.keys(data.kv_dtypes)]));
  plan.workload = read("workload", (text) => oneOf(text, [...Object.keys(data.workloads), FROM_FILE]));
  plan.card = cardOf(read, settings, errors);
  if (settings.model === OWN) {
    const parameters = read("parameters", (text) => whole(text, PARAMETERS));
    plan.shape = { parameters, groups: read("groups", groupsOf) };
  } else {
    plan.model = read("model", (text) => oneOf(text, Object.keys(data.shapes)));
  }
  readRate(plan, read, settings, errors);
  if (plan.workload === FROM_FILE) delete errors.requests;
  return { plan, errors };
}

function cardOf(read, settings, errors) {
  const card = { name: settings.card === OWN ? "own memory" : settings.card };
  card.memory_gib = read("memory_gib", (text) => real(text, 0, 16384, "above"));
  for (const name of Object.keys(REALS)) card[name] = read(name, (text) => real(text, ...REALS[name]));
  if (card.memory_fraction === null || card.activation_reserve === null || card.memory_gib === null) return card;
  if (card.activation_reserve >= card.memory_fraction)
    errors.activation_reserve = `leaves nothing of the share of ${card.memory_fraction}; lower it`;
  else if (card.memory_gib * 1024 * (card.memory_fraction - card.activation_reserve) < 1)
    errors.memory_gib = "leaves less than 1 MiB for weights and KV cache; raise it";
  return card;
}

function readRate(plan, read, settings, errors) {
  const times = TIMES.map((name) => read(name, (text) => (text ? real(text, 0, LONGEST_STEP_S) : 0)));
  if (times.some((time) => time > 0))
    plan.step_time = Object.fromEntries(TIMES.map((name, place) => [name, times[place]]));
  if (!settings.requests_per_s) return;
  plan.requests_per_s = read("requests_per_s", (text) => real(text, ...RATE));
  if (!plan.step_time && !errors.requests_per_s)
    errors.requests_per_s = "a rate needs the time of a step; write it below, or leave this empty";
}

function groupsOf(text) {
  if (!text) throw new Error("no layers; add a group");
  return text.split(",").map((group) => {
    const [kind, ...sizes] = group.split(":");
    const names = ["layers", ...(KIND_SIZES[oneOf(kind, Object.keys(KIND_SIZES))] || [])];
    const values = names.map((name, place) => {
      try {
        return whole(sizes[place] || "", SIZES[name]);
      } catch (error) {
        throw new Error(`${SIZE_NAMES[name]}: ${error.message}`);
      }
    });
    return { kind, ...Object.fromEntries(names.map((name, place) => [name, values[place]])) };
  });
}
