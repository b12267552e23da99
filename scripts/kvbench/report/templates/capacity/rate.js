// What follows from a replay's sums: shares, the time of a step, and cards for a rate by Little's law.
// As kvbench/capacity/fit.py and rate.py.

const SPLIT = ["live", "reserved", "internal", "padding", "finished", "expired"];

// Shares and means over the steps with a full queue; null where requests are too few.
function fitOf(found, pool) {
  const { window, totals, requests } = found;
  if (!window) return null;
  const steps = Number(window.steps);
  const allocated = window.steps * BigInt(pool) - window.unused;
  const split = Object.fromEntries(SPLIT.map((part) => [part, Number(window[part]) / (steps * pool)]));
  return {
    requestsAtOnce: Number(window.running) / steps,
    poolHeldShare: Number(allocated) / (steps * pool),
    liveShare: Number(window.live) / Number(allocated),
    stepsPerRequest: Number(totals.running) / requests,
    preemptionsPerRequest: Number(totals.preemptions) / requests,
    limitedBy: found.limitedBy,
    split,
  };
}

// Mean duration of a step in seconds, from times in whole nanoseconds; null if steps take no time.
function stepSeconds(window, stepTime) {
  const total = nanoseconds(window, stepTime);
  return total === null ? null : Number(total) / Number(window.steps) / 1e9;
}

// What steps with this work take, in nanoseconds; null without times.
function nanoseconds({ steps, sequences, computed, prefills }, stepTime) {
  const cost = (name) => BigInt(roundEven((stepTime?.[name] || 0) * 1e9));
  const costs = [cost("constant_s"), cost("per_sequence_s"), cost("per_token_s"), cost("prefill_s")];
  if (costs.every((one) => one === 0n)) return null;
  return costs[0] * steps + costs[1] * sequences + costs[2] * computed + costs[3] * prefills;
}

// What follows from the replays found so far, by policy.
function fitsOf({ plan, policies }, found) {
  const fits = {};
  for (const { policy, replay } of policies) {
    const fit = found[policy] && fitOf(found[policy], replay.pool);
    if (!fit) continue;
    fits[policy] = fit;
    fit.step = stepSeconds(found[policy].window, plan.step_time);
    fit.demand = plan.requests_per_s !== undefined && fit.step ? demandOf(plan, fit, fit.step) : null;
  }
  return fits;
}

function demandOf(plan, fit, step) {
  const time = fit.stepsPerRequest * step;
  const inService = plan.requests_per_s * time;
  const groups = Math.max(1, Math.ceil(inService / fit.requestsAtOnce - 1e-9));
  return { time, inService, groups, cards: groups * plan.cards_per_model, mostPerS: fit.requestsAtOnce / time };
}
