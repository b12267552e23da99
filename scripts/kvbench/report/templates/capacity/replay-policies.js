// Replays a queue of requests under a policy. What follows is that of kvbench/replay/simulate.py and capacity/fit.py.

// own: policy, pool (slots), maxRunning, maxStepTokens, maxLength, blockSize, longestRow (of `hf-batch`), tables (of
// `paged`).
function replayed({ prompt, output }, own) {
  const series = new Series(own.pool, prompt.length);
  const asked = isReserving(own.policy) ? reserved(own.policy, prompt, output, own.maxLength) : null;
  const Kernel = asked ? Reserving : own.policy === "hf-batch" ? Padded : Paged;
  const kernel = new Kernel({ prompt, output, asked }, own, series);
  kernel.run();
  const totals = series.totals(kernel.preemptions);
  const work = bigInts({ sequences: series.sequences, computed: series.computed, prefills: series.prefills });
  const window = series.fullQueue(prompt.length);
  return { policy: own.policy, requests: prompt.length, totals, work, window, limitedBy: null };
}

// The replay with what limits the number of running requests in its window.
function replayedAndLimited(lengths, own) {
  const found = replayed(lengths, own);
  if (found.window) found.limitedBy = limit(lengths, own, found);
  return found;
}

function limit(lengths, own, { totals, window }) {
  const refused = Number(window.refused) / Number(window.steps);
  if (own.policy === "hf-batch") {
    if (refused < 0.5) return "max_running";
    const wider = replayed(lengths, { ...own, longestRow: Infinity });
    return wider.totals.steps === totals.steps ? "memory" : "max_context";
  }
  if (refused >= 0.5) return "memory";
  return Number(window.running) / Number(window.steps) > 0.95 * own.maxRunning ? "max_running" : "max_step_tokens";
}
