// Slots that a policy reserves for a request, as kvbench/kv/reservation.py.

const RESERVING = ["reserve-max", "power-of-two", "oracle"];

function isReserving(policy) {
  return RESERVING.includes(policy);
}

// The maximum length; the output rounded up to a power of two, at most the maximum length; what will be stored.
function reserved(policy, prompt, output, maxLength) {
  const slots = new Float64Array(prompt.length);
  if (policy === "reserve-max") return slots.fill(maxLength);
  for (let request = 0; request < slots.length; request++) {
    const final = prompt[request] + output[request] - 1;
    const assumed = prompt[request] + nextPowerOfTwo(output[request]) - 1;
    slots[request] = policy === "oracle" ? final : Math.min(assumed, maxLength);
  }
  return slots;
}

function nextPowerOfTwo(value) {
  return value <= 1 ? 1 : 2 ** (32 - Math.clz32(value - 1));
}
