// Slots that a request holds, by arithmetic: at its largest, and over its steps.
// As kvbench/replay/held.py and kvbench/capacity/held.py.

// Means over requests and over all steps; null for a padded batch, whose rows depend on their batch.
function heldSlots(policy, lengths, room, plan) {
  if (policy === "hf-batch") return { mean: null, held: null };
  if (policy !== "paged")
    return heldOfReservations(reserved(policy, lengths.prompt, lengths.output, plan.max_length), lengths, room);
  if (keepsAll(room.shape)) return heldOfBlocks(lengths, plan.block_size);
  const page = Number(blockBytes(room, plan.block_size) / room.slotBytes);
  const { mean, held } = heldOfTables(lengths, room.paging.tables, plan.block_size);
  return { mean: page * mean, held: page * held };
}

// A reservation of r tokens is a row in each layer, of the window in layers that have one, and is held in every step.
function heldOfReservations(tokens, { output }, room) {
  const slots = keepsAll(room.shape) ? tokens : tokens.map((count) => rowSlots(room, count));
  let steps = 0;
  let sum = 0;
  let held = 0;
  for (let request = 0; request < slots.length; request++) {
    sum += slots[request];
    held += slots[request] * output[request];
    steps += output[request];
  }
  return { mean: sum / slots.length, held: held / steps };
}

function rowSlots({ shape, kvItemsize, slotBytes }, tokens) {
  let elements = 0;
  for (const group of shape.groups) elements += group.layers * group.elements * stored(group, tokens);
  return (elements * kvItemsize) / Number(slotBytes);
}

// ceil(n / size) blocks at n stored tokens, n from the prompt to the last stored token.
function heldOfBlocks({ prompt, output }, size) {
  let most = 0;
  let held = 0;
  let steps = 0;
  for (let request = 0; request < prompt.length; request++) {
    const final = prompt[request] + output[request] - 1;
    most += Math.ceil(final / size);
    held += blocksUpTo(final, size) - blocksUpTo(prompt[request] - 1, size);
    steps += output[request];
  }
  return { mean: (most * size) / prompt.length, held: (held * size) / steps };
}

// Σ ceil(n / size) for n from 1 to `tokens`.
function blocksUpTo(tokens, size) {
  const whole = Math.floor(tokens / size);
  return (size * whole * (whole + 1)) / 2 + (tokens % size) * (whole + 1);
}

// Blocks of vLLM's tables, the prompt being computed in one step; those with a window return what has left it.
function heldOfTables({ prompt, output }, tables, size) {
  const number = tables.reduce((sum, table) => sum + table.tables, 0);
  let most = 0;
  let held = 0;
  let steps = 0;
  for (let request = 0; request < prompt.length; request++) {
    const final = prompt[request] + output[request] - 1;
    const whole = number * Math.ceil(prompt[request] / size);
    most += Math.max(whole, mostDecoding(tables, prompt[request], final, size));
    held +=
      whole + tables.reduce((sum, table) => sum + table.tables * decodingSteps(table, prompt[request], final, size), 0);
    steps += output[request];
  }
  return { mean: most / prompt.length, held: held / steps };
}

// The most blocks while tokens after `first` up to `last` are stored. A block later, no table holds fewer, so that the
// last block's tokens decide.
function mostDecoding(tables, first, last, size) {
  let most = 0;
  for (let tokens = Math.max(first, last - size) + 1; tokens <= last; tokens++)
    most = Math.max(
      most,
      tables.reduce((sum, table) => sum + table.tables * kept(table, tokens, size), 0),
    );
  return most;
}

// Blocks of a table while it decodes: those whose tokens had left the window before the step are returned.
function kept({ window }, tokens, size) {
  return Math.ceil(tokens / size) - (window ? Math.floor(Math.max(tokens - window, 0) / size) : 0);
}

// Σ of these for tokens after `first` up to `last`.
function decodingSteps({ window }, first, last, size) {
  const blocks = blocksUpTo(last, size) - blocksUpTo(first, size);
  return window ? blocks - (wholeBlocksUpTo(last - window, size) - wholeBlocksUpTo(first - window, size)) : blocks;
}

// Σ floor(n / size) for n from 1 to `tokens`; 0 for none.
function wholeBlocksUpTo(tokens, size) {
  const count = Math.max(tokens, 0) + 1;
  const whole = Math.floor(count / size);
  return (size * whole * (whole - 1)) / 2 + (count % size) * whole;
}
