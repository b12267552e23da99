// Answers a plan: what follows at once, and what a replay has to serve. As kvbench/capacity/plan.py.

const LARGEST_POOL = 2 ** 31; // of the replay, in Python too

class PlanError extends Error {
  // field: the name of the input that has to change.
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

// Memory, vLLM's log and both quotients of each policy; PlanError if the plan cannot be.
function answerOf(plan, lengths, data) {
  const room = roomOf(plan, data);
  requireEqualTokens(room.shape);
  requireWeightsFit(room, plan);
  requirePositions(room.shape, plan);
  const engine = engineOf(room, plan);
  requireARequestFits(room, engine, plan);
  requireLengths(lengths, plan);
  const policies = data.policies.map((policy) => {
    const { mean, held } = heldSlots(policy, lengths, room, plan);
    const slots = Number(room.slots);
    return {
      policy,
      mean,
      held,
      byMean: mean && slots / mean,
      byHeld: held && slots / held,
      replay: replayOf(policy, room, plan),
    };
  });
  policies.forEach(({ replay }) => replay && requirePool(replay));
  return { plan, room, engine, lengths, policies };
}

// Settings of the replay of a policy; null if it is not replayed: reservations of layers that keep different tokens.
function replayOf(policy, room, plan) {
  const plain = keepsAll(room.shape);
  if (!plain && policy !== "paged") return null;
  const pool = plain ? room.slots : room.kvBytes / blockBytes(room, 1);
  return {
    policy,
    pool: Number(pool),
    maxRunning: plan.max_running,
    maxStepTokens: plan.max_step_tokens,
    maxLength: plan.max_length,
    longestRow: room.shape.max_context || plan.max_length,
    blockSize: plan.block_size,
    tables: room.paging.tables,
  };
}

function requireEqualTokens({ label, groups, source }) {
  const sizes = [...new Set(groups.map((group) => group.elements))].sort((one, other) => one - other);
  if (sizes.length < 2) return;
  const problem = `the layers of ${label} cache tokens of different sizes (${sizes.join(", ")} elements)`;
  throw new PlanError(
    source === "own sizes" ? "groups" : "model",
    `${problem}, for which vLLM pads pages in ways that are not accounted for here; plan for another model`,
  );
}

function requireWeightsFit(room, plan) {
  const needed = cardsForWeights(room);
  if (room.cards >= needed) return;
  const usable = gib(BigInt(room.cards) * BigInt(room.usableBytes));
  throw new PlanError(
    "cards_per_model",
    `the weights (${gib(room.weightsBytes)}) do not fit into the ${usable} that weights and KV cache may use; ` +
      `they need ${number(needed)} cards: set it to ${number(needed)} or more`,
  );
}

function requirePositions({ label, max_context }, { max_length }) {
  if (max_context && max_length > max_context)
    throw new PlanError(
      "max_length",
      `${number(max_length)} is more than the ${number(max_context)} positions of ${label}; lower it`,
    );
}

function requireARequestFits(room, engine, plan) {
  if (engine.concurrency >= 1) return;
  throw new PlanError(
    "cards_per_model",
    `the weights leave ${gib(room.kvBytes)} for KV cache, ${number(room.slots)} slots, which cannot hold one request ` +
      `of ${number(plan.max_length)} tokens; raise it or lower the longest request`,
  );
}

function requireLengths({ prompt, output, of }, { max_length }) {
  let longest = 0;
  for (let request = 0; request < prompt.length; request++)
    longest = Math.max(longest, prompt[request] + output[request]);
  if (longest <= max_length) return;
  throw new PlanError(
    "max_length",
    `${number(max_length)} is less than the longest request of ${of} (${number(longest)} tokens); raise it or use ` +
      "other lengths",
  );
}

function requirePool({ pool }) {
  if (pool < LARGEST_POOL) return;
  const problem = `${number(pool)} slots are more than a replay has room for (${number(LARGEST_POOL - 1)})`;
  throw new PlanError("cards_per_model", `${problem}; plan for fewer cards or less memory`);
}

// Why a replay gave nothing.
function tooFew({ policy, requests, totals }) {
  const most = totals.max_running;
  return (
    `${number(requests)} requests are too few: up to ${number(most)} run at once under ${policy} and would empty the ` +
    `queue; raise it to ${number(most * 8n)} or more`
  );
}
