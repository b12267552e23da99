// Opens the page: its calculator in front, the plans that Python answered folded below it.

const { replayedAndLimited, reserved } = replayLibrary();

// What tests may call: a plan as in config.yaml, with requests of its own if it names none.
function handle(calculator, data) {
  const requests = new Requests(data.workloads);
  return {
    times: () => ({ ...calculator.times }),
    drawn: (workload, count) => drawn(data.workloads[workload], count),
    answer: (plan, lengths = requests.of(plan)) => {
      const answer = answerOf(plan, lengths, data);
      const replayed = answer.policies.filter(({ replay }) => replay);
      const found = Object.fromEntries(
        replayed.map(({ policy, replay }) => [policy, replayedAndLimited(lengths, replay)]),
      );
      return { ...answer, found, fits: fitsOf(answer, found) };
    },
  };
}

function foldPlans() {
  const plans = [...document.querySelectorAll("details.plan")];
  const open = (is) => plans.forEach((plan) => (plan.open = is));
  open(false);
  addEventListener("beforeprint", () => open(true));
  addEventListener("afterprint", () => open(false));
}

function openPage() {
  const data = JSON.parse(document.getElementById("capacity-data").textContent);
  const calculator = new Calculator(document.getElementById("calculator"), data);
  window.kvbenchCapacity = handle(calculator, data);
  foldPlans();
  calculator.open();
}

openPage();
