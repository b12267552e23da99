// Shapes of models: what their layers cache of a token, and vLLM's block tables of them. As kvbench/kv/groups.py.

const KIND_SIZES = {
  full: ["kv_heads", "head_dim"],
  sliding: ["kv_heads", "head_dim", "window"],
  mla: ["latent", "rope"],
};

// A plan's shape, by name or from its own sizes.
function shapeOf(plan, shapes) {
  if (!plan.shape) return shapes[plan.model];
  const entries = plan.shape.groups || [{ kind: "full", ...plan.shape }];
  const groups = entries.map(groupOf);
  const kinds = new Set(groups.map(({ kind, window }) => `${kind} ${window}`));
  if (kinds.size < groups.length)
    throw new PlanError("groups", "two groups have the same kind and window; add up their layers in one");
  const label = plan.shape.label || "A model of these sizes";
  return { label, parameters: plan.shape.parameters, max_context: 0, source: "own sizes", groups };
}

function groupOf(entry) {
  const elements = entry.kind === "mla" ? entry.latent + entry.rope : 2 * entry.kv_heads * entry.head_dim;
  return { ...entry, elements, window: entry.window ?? null };
}

function keepsAll({ groups }) {
  return groups.length === 1 && groups[0].window === null;
}

// Of `tokens` tokens, how many a group keeps.
function stored(group, tokens) {
  return group.window === null ? tokens : Math.min(tokens, group.window);
}

// Elements of a slot: a token in all layers; with several groups, which keep different tokens, in one layer.
function slotElements(groups) {
  if (groups.length === 1) return groups[0].layers * groups[0].elements;
  return groups.map((group) => group.elements).reduce(greatestCommonDivisor);
}

function greatestCommonDivisor(one, other) {
  return other ? greatestCommonDivisor(other, one % other) : one;
}

// vLLM's tables by window (0: none), and the layers of which a page has room for a token.
function vllmPaging(groups) {
  if (groups.length === 1) return { pageUnits: 1, tables: [{ window: groups[0].window || 0, tables: 1 }] };
  const layers = groups.map((group) => group.layers);
  const smallest = Math.min(...layers);
  const largest = Math.max(...layers);
  const most = largest < 1.5 * smallest ? largest : smallest;
  const tables = groups.map((group) => ({ window: group.window || 0, tables: Math.ceil(group.layers / most) }));
  return { pageUnits: most, tables };
}
