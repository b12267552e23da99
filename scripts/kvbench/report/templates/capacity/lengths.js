// Prompt and output lengths of the synthetic workloads, equal to Python's. As kvbench/workload/lengths.py.

class Distribution {
  constructor({ first, thresholds }) {
    this.first = first;
    const bytes = Uint8Array.from(atob(thresholds), (letter) => letter.charCodeAt(0));
    this.thresholds = new Float64Array(bytes.buffer); // little-endian, as every browser's machine is
  }

  // The length at the quantile u / SCALE.
  at(u) {
    let low = 0;
    let high = this.thresholds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.thresholds[middle] <= u) low = middle + 1;
      else high = middle;
    }
    return this.first + low;
  }
}

// A pair that is longer than the workload's limit is drawn again.
function drawn(workload, count) {
  const bits = new Pcg64(workload.state, workload.increment);
  const prompts = new Distribution(workload.prompt);
  const outputs = new Distribution(workload.output);
  const first = workload.stratified ? stratified : uniform;
  const prompt = Int32Array.from(first(bits, count), (u) => prompts.at(u));
  const output = Int32Array.from(first(bits, count), (u) => outputs.at(u));
  for (let again = tooLong(prompt, output, workload.limit); again.length;) {
    uniform(bits, again.length).forEach((u, place) => (prompt[again[place]] = prompts.at(u)));
    uniform(bits, again.length).forEach((u, place) => (output[again[place]] = outputs.at(u)));
    again = tooLong(prompt, output, workload.limit);
  }
  return { prompt, output };
}

function tooLong(prompt, output, limit) {
  return Array.from(prompt.keys()).filter((request) => limit && prompt[request] + output[request] > limit);
}
