// Steps in which each running request gets a token and nothing else happens. As kvbench/replay/kernels/paged_decode.py.

const LOOK_AHEAD = 256;
const TAKEN = new Int32Array(LOOK_AHEAD); // blocks that each of the next steps takes
const NEVER_FILLED = new Int32Array(LOOK_AHEAD); // slots of them that no token will fill

// Runs such steps until one needs more. Free blocks only become fewer, so a request refused before them stays refused.
function decodeSteps(paged, refused) {
  const { own } = paged;
  const running = paged.count;
  const full = refused || running === own.maxRunning || running === own.maxStepTokens;
  const steps = Math.min(quietSteps(paged), LOOK_AHEAD);
  if (steps <= 0) return;
  lookAhead(paged, steps);
  let done = 0;
  for (; done < steps; done++) {
    if (TAKEN[done] > paged.free || (!full && paged.waiting > 0)) break;
    paged.free -= TAKEN[done];
    paged.tails += TAKEN[done] * own.blockSize - running;
    paged.internal += NEVER_FILLED[done];
    paged.note(running, running, refused);
  }
  storeTokens(paged, done);
}

// Next steps in which every running request gets a token and none ends; 0 if one is still in prefill.
function quietSteps({ running, count, known, computed, begun, prompt, output }) {
  let least = Infinity;
  for (let place = 0; place < count; place++) {
    const request = running[place];
    if (known[request] !== computed[request] + 1 || !begun[request]) return 0;
    least = Math.min(least, prompt[request] + output[request] - known[request]);
  }
  return least - 1;
}

function lookAhead({ running, count, known, room, prompt, output, own }, steps) {
  const size = own.blockSize;
  TAKEN.fill(0, 0, steps);
  NEVER_FILLED.fill(0, 0, steps);
  for (let place = 0; place < count; place++) {
    const request = running[place];
    const empty = room[request];
    for (let step = empty; step < steps; step += size) TAKEN[step]++;
    const left = prompt[request] + output[request] - known[request]; // tokens to be stored
    if (empty >= left || left >= steps + size) continue;
    const last = empty + Math.floor((left - empty - 1) / size) * size; // the step that takes the request's last block
    if (last < steps) NEVER_FILLED[last] += last + size - left;
  }
}

function storeTokens({ running, count, known, computed, room, own }, tokens) {
  for (let place = 0; place < count; place++) {
    const request = running[place];
    known[request] += tokens;
    computed[request] += tokens;
    const left = room[request] - tokens;
    room[request] = left < 0 ? left + Math.ceil(-left / own.blockSize) * own.blockSize : left;
  }
}
