// Answers while one types: arithmetic at once, replays as they come.

const SOON = ["paged", "reserve-max"]; // what the sentence above all is made of is replayed first
const NO_TRACE = "Give your requests: drop a file, choose one, or paste lines.";

class Calculator {
  constructor(root, data) {
    const parts = partsOf(root);
    Object.assign(this, { root, parts, data });
    this.form = new Form(root, parts, data);
    this.view = new View(root, parts);
    this.address = new Address();
    this.requests = new Requests(data.workloads);
    this.runner = new Runner(
      (key, found) => this.receive(key, found),
      (key, line) => this.policies.has(key) && this.view.stale(`The replay stopped: ${line}.`),
    );
    this.policies = new Map(); // keys of the replays that are shown
    this.times = {};
  }

  open() {
    const [first] = Object.values(this.data.plans);
    this.first = settingsOf(first || { ...DEFAULTS, model: Object.keys(this.data.shapes)[0] }, this.data);
    this.listen();
    this.root.hidden = false;
    this.follow();
  }

  // The settings of the address, or those of the first plan.
  follow() {
    this.address.left();
    this.form.write(addressed(this.first) || this.first);
    this.update();
  }

  listen() {
    this.root.addEventListener("input", ({ target }) => this.typed(target));
    this.root.addEventListener("click", ({ target }) => this.clicked(target));
    this.parts.file.addEventListener("change", () => this.readFile(this.parts.file.files[0]));
    dropped(this.root, (file) => this.readFile(file));
    addEventListener("popstate", () => this.follow());
  }

  typed(target) {
    if (target === this.parts.file) return;
    if (target === this.parts.pasted) return this.readText(target.value, "pasted lines");
    if (target === this.parts.preset) return this.choose(target.value);
    const group = target.closest("fieldset.group");
    if (group && target.matches("select")) this.form.groups.changeKind(group);
    this.form.follow(target.dataset.input);
    this.changed(target.dataset.input || target);
  }

  clicked(target) {
    if (target === this.parts.copy) return this.copyLink();
    if (target === this.parts["add-group"]) this.form.groups.add();
    else if (target.matches("[data-remove]")) this.form.groups.remove(target.closest("fieldset"));
    else return;
    this.changed(target);
  }

  choose(name) {
    if (!name) return;
    this.form.write(settingsOf(this.data.plans[name], this.data));
    this.changed(this.parts.preset);
  }

  // `field`: what was changed, so that its next change makes no new entry of the history.
  changed(field) {
    this.address.write(this.form.read(), field);
    this.update();
  }

  // The plan whose settings these are; empty: none.
  presetOf(settings) {
    const same = (plan) => fragmentOf(settingsOf(plan, this.data)) === fragmentOf(settings);
    return Object.keys(this.data.plans).find((name) => same(this.data.plans[name])) || "";
  }

  update() {
    this.began = performance.now();
    this.runner.stop();
    const settings = this.form.read();
    const { plan, errors } = planOf(settings, this.data);
    this.parts.preset.value = this.presetOf(settings);
    if (Object.keys(errors).length) return this.refuse(errors);
    this.form.show({});
    const requests = this.requests.of(plan);
    if (!requests) return this.view.stale(NO_TRACE);
    try {
      this.answer = answerOf(plan, requests, this.data);
    } catch (error) {
      if (!(error instanceof PlanError)) throw error;
      return this.refuse({ [error.field]: error.message });
    }
    this.show();
  }

  // Nothing is computed: a line beside each input that is wrong, and the numbers from before in grey.
  refuse(errors) {
    this.form.show(errors);
    this.view.stale(`See ${labelOf(Object.keys(errors)[0])}: the numbers are from before.`);
  }

  show() {
    const replays = this.answer.policies.map(({ replay }) => replay).filter(Boolean);
    const late = (replay) => !SOON.includes(replay.policy);
    const inTurn = [...replays.filter((replay) => !late(replay)), ...replays.filter(late)];
    const jobs = inTurn.map((replay) => ({ key: keyOf(this.answer.lengths.key, replay), settings: replay }));
    this.policies = new Map(jobs.map(({ key, settings }) => [key, settings.policy]));
    this.found = {};
    this.view.arithmetic(this.answer);
    this.showReplays();
    this.times.arithmetic_ms = performance.now() - this.began;
    this.runner.start(this.answer.lengths, jobs);
  }

  receive(key, found) {
    if (!this.policies.has(key)) return;
    this.found[this.policies.get(key)] = found;
    this.showReplays();
  }

  showReplays() {
    const there = Object.values(this.found);
    const few = there.find(({ window }) => !window);
    if (few) this.form.show({ [this.answer.plan.workload === FROM_FILE ? "trace" : "requests"]: tooFew(few) });
    this.view.replays(this.answer, fitsOf(this.answer, this.found));
    this.times.replay_ms = performance.now() - this.began;
    this.view.progress(there.length, this.policies.size, this.times.replay_ms);
  }

  async readFile(file) {
    if (!file) return;
    try {
      this.readText(await textOf(file), file.name);
    } catch (error) {
      this.refuseTrace(error);
    }
  }

  readText(text, name) {
    try {
      this.requests.give(traceOf(text, name));
    } catch (error) {
      return this.refuseTrace(error);
    }
    this.chooseFile();
    this.changed("workload");
  }

  // Requests that are given are those of the plan, whatever was chosen before.
  chooseFile() {
    this.form.inputs.workload.value = FROM_FILE;
    this.form.follow("workload");
  }

  refuseTrace(error) {
    if (!(error instanceof TraceError)) throw error;
    this.requests.give(null);
    this.runner.stop();
    this.chooseFile();
    this.refuse({ trace: error.message });
  }

  async copyLink() {
    const fragment = fragmentOf(this.form.read());
    try {
      await navigator.clipboard.writeText(location.href.replace(/#.*$/, "") + fragment);
      setText(this.parts.copied, "Copied.");
    } catch {
      this.address.writeNow(this.form.read());
      setText(this.parts.copied, "It is in the address bar.");
    }
  }
}
