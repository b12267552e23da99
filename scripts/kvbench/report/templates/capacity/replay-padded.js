// Padded batches in order of arrival, whose caches grow until all of it has ended. As kvbench/replay/kernels/padded.py.

class Padded {
  constructor({ prompt, output }, own, series) {
    Object.assign(this, { prompt, output, own, series });
    this.next = 0;
    this.preemptions = 0;
  }

  run() {
    while (this.next < this.prompt.length) this.runBatch(this.formBatch());
  }

  // Adds requests while rows × (longest prompt + longest output - 1) fit, and within the limits of length and rows.
  formBatch() {
    const { prompt, output, own } = this;
    const batch = { first: this.next, width: 0, longest: 0, refused: 0 };
    while (this.next < prompt.length && this.next - batch.first < own.maxRunning) {
      const width = Math.max(batch.width, prompt[this.next]);
      const longest = Math.max(batch.longest, output[this.next]);
      const rows = this.next - batch.first + 1;
      if (rows * (width + longest - 1) > own.pool || (rows > 1 && width + longest > own.longestRow)) {
        batch.refused = 1;
        break;
      }
      Object.assign(batch, { width, longest });
      this.next++;
    }
    return batch;
  }

  // A running request has pass - 1 tokens more than its prompt; a row whose request has ended is finished as a whole.
  runBatch({ first, width, longest, refused }) {
    const rows = this.next - first;
    const byOutput = Array.from({ length: rows }, (_, place) => first + place);
    byOutput.sort((one, other) => this.output[one] - this.output[other]);
    let prompts = 0; // tokens of the prompts of running requests
    for (let request = first; request < this.next; request++) prompts += this.prompt[request];
    for (let pass = 1, ended = 0; pass <= longest; pass++) {
      for (; this.output[byOutput[ended]] < pass; ended++) prompts -= this.prompt[byOutput[ended]];
      this.note(rows, rows - ended, pass, width, prompts, refused);
      this.series.add();
    }
  }

  note(rows, running, pass, width, prompts, refused) {
    const { row } = this.series;
    row.fill(0);
    row[RUNNING] = running;
    row[WAITING] = this.prompt.length - this.next;
    row[TOKENS] = pass === 1 ? prompts : running;
    row[LIVE] = prompts + running * (pass - 1);
    row[PADDING] = running * width - prompts;
    row[FINISHED] = (rows - running) * (width + pass - 1);
    row[REFUSED] = refused;
    row[STEPS] = 1;
    row[SEQUENCES] = rows;
    row[COMPUTED] = pass === 1 ? rows * width : rows;
  }
}
