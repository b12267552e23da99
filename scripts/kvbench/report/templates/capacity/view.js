// Writes answers into the page.

class View {
  constructor(root, parts) {
    Object.assign(this, { root, parts });
  }

  // Memory, a request's bytes and vLLM's log, which need no replay.
  arithmetic(answer) {
    const { prompt, output, of } = answer.lengths;
    const mean = (values) => number(values.reduce((sum, value) => sum + value, 0) / values.length);
    const tokens = `${mean(prompt)} prompt and ${mean(output)} output tokens on average`;
    setText(this.parts.requests, `${number(prompt.length)} requests of ${of}, all waiting from the start: ${tokens}.`);
    this.parts.different.hidden = keepsAll(answer.room.shape);
    this.parts.memory.replaceChildren(tableOf(memoryTable(answer)));
    this.parts.request.replaceChildren(tableOf(requestTable(answer)));
    setText(this.parts.engine, engineText(answer));
    this.root.classList.remove("is-stale");
  }

  // `fits`: what the replays have found so far, by policy.
  replays(answer, fits) {
    const { parts } = this;
    const rated = answer.plan.requests_per_s !== undefined;
    setText(parts.summary, summary(answer, fits));
    parts.policies.replaceChildren(...answer.policies.map((one) => policyRow(one, fits[one.policy])));
    parts.fits.replaceChildren(tableOf(fitsTable(answer, fits)));
    parts.demands.hidden = !rated;
    parts["no-rate"].hidden = rated;
    if (rated) parts.demands.replaceChildren(tableOf(demandsTable(answer, fits)));
  }

  progress(there, wanted, milliseconds) {
    this.root.setAttribute("aria-busy", String(there < wanted));
    const what = wanted === 1 ? "1 policy" : `${wanted} policies`;
    const done = `${what} replayed in ${number(Math.round(milliseconds))} ms.`;
    setText(this.parts.status, there < wanted ? "Replaying …" : done);
  }

  // What is shown no longer belongs to what is typed.
  stale(line) {
    this.root.classList.add("is-stale");
    this.root.setAttribute("aria-busy", "false");
    setText(this.parts.status, line);
  }
}
