// The requests of a plan: drawn for a workload, or those that the user gave.

class Requests {
  constructor(workloads) {
    this.workloads = workloads;
    this.given = null;
    this.number = 0;
  }

  // Requests of the user's, or null; what was given before is forgotten.
  give(trace) {
    this.given = trace && { ...trace, key: `${FROM_FILE} ${this.number++}` };
  }

  // Lengths, what they are of, and a key that no other lengths have; null if the user has given none.
  of({ workload, requests }) {
    if (workload === FROM_FILE) return this.given;
    const key = `${workload} ${requests}`;
    if (this.drawn?.key !== key) this.drawn = { ...drawn(this.workloads[workload], requests), of: workload, key };
    return this.drawn;
  }
}

// Calls `give` with a file that is dropped on an element.
function dropped(element, give) {
  const over = (is) => element.classList.toggle("is-over", is);
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  element.addEventListener("dragleave", () => over(false));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    give(event.dataTransfer.files[0]);
  });
}
