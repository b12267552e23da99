// Replays beside the page, in workers made of the page's own code; in the page itself where it can have none.

const KEPT = 100; // results that are not replayed again
const MOST_WORKERS = 4;
const PATIENCE_MS = 200; // that a replay which nobody waits for any more may take: a new worker has to warm up first
const WORK = `const { replayedAndLimited } = (${replayLibrary})();
let lengths;
onmessage = ({ data }) => {
  lengths = data.lengths || lengths;
  try { postMessage({ found: replayedAndLimited(lengths, data.settings) }); }
  catch (error) { postMessage({ error: error.message }); }
};`;

class Runner {
  // done: called with a job's key and what its replay found; failed: with a line.
  constructor(done, failed) {
    Object.assign(this, { done, failed });
    this.kept = new Map();
    this.waiting = []; // jobs that no worker has begun
    this.number = Math.min(MOST_WORKERS, Math.max(1, (navigator.hardwareConcurrency || 2) - 1));
    this.workers = Array.from({ length: this.number }, () => this.newWorker()).filter(Boolean);
  }

  // Replays the jobs, each {key, settings}; earlier ones that wait are given up.
  start(lengths, jobs) {
    this.lengths = lengths;
    this.waiting = jobs.filter(
      ({ key }) => !this.kept.has(key) && !this.workers.some((worker) => worker.job?.key === key),
    );
    jobs.filter(({ key }) => this.kept.has(key)).forEach(({ key }) => this.done(key, this.kept.get(key)));
    const wanted = new Set(jobs.map(({ key }) => key));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.replaceLate(wanted), PATIENCE_MS);
    this.handOut();
  }

  stop() {
    this.waiting = [];
  }

  handOut() {
    if (!this.workers.length) return this.runHere();
    for (const worker of this.workers) {
      if (worker.job || !this.waiting.length) continue;
      worker.job = this.waiting.shift();
      const { prompt, output, key } = this.lengths;
      const lengths = worker.has === key ? undefined : { prompt, output };
      worker.has = key;
      worker.postMessage({ lengths, settings: worker.job.settings });
    }
  }

  // Workers that are still at replays of earlier settings.
  replaceLate(wanted) {
    for (const worker of this.workers.filter(({ job }) => job && !wanted.has(job.key))) {
      worker.terminate();
      this.workers[this.workers.indexOf(worker)] = this.newWorker();
    }
    this.handOut();
  }

  // null where the browser lets the page have no worker.
  newWorker() {
    try {
      const worker = new Worker((this.address ||= URL.createObjectURL(new Blob([WORK], { type: "text/javascript" }))));
      worker.onmessage = ({ data }) => {
        const { key } = worker.job;
        worker.job = null;
        this.handOut();
        this.receive(key, data);
      };
      worker.onerror = () => this.withoutWorkers();
      return worker;
    } catch {
      return null;
    }
  }

  withoutWorkers() {
    this.waiting.push(...this.workers.map((worker) => worker.job).filter(Boolean));
    this.workers = [];
    this.runHere();
  }

  // A policy at a time, so that the page can answer to what is typed meanwhile.
  runHere() {
    const job = this.waiting.shift();
    if (!job) return;
    setTimeout(() => {
      try {
        this.receive(job.key, { found: replayedAndLimited(this.lengths, job.settings) });
      } catch (error) {
        this.receive(job.key, { error: error.message });
      }
      this.runHere();
    });
  }

  receive(key, { found, error }) {
    if (error) return this.failed(key, error);
    this.kept.set(key, found);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
    this.done(key, found);
  }
}

// What decides a replay, as text: two replays with one key are equal.
function keyOf(requests, replay) {
  const { blockSize, tables, ...others } = replay;
  if (replay.policy === "paged") Object.assign(others, { blockSize, tables });
  if (replay.policy === "hf-batch") delete others.maxStepTokens;
  return JSON.stringify([requests, others]);
}
