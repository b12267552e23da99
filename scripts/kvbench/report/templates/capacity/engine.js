// What vLLM logs of its memory at its start. As kvbench/capacity/engine_plan.py, with asynchronous scheduling.

const BATCHES_UNDER_WAY = 2;

function engineOf(room, plan) {
  const blocks = blocksOf(room, plan.block_size);
  const concurrency = Number(blocks) / requestBlocks(room.paging, plan);
  return { blocks, tokens: Math.trunc(concurrency * plan.max_length), concurrency };
}

// Blocks in all tables that vLLM counts for one request of max_length tokens.
function requestBlocks({ tables }, { block_size, max_length, max_step_tokens }) {
  let blocks = 0;
  for (const { window, tables: number } of tables) {
    const held = Math.min(window - 1 + BATCHES_UNDER_WAY * max_step_tokens, max_length);
    blocks += number * (window ? Math.ceil(held / block_size) + 1 : Math.ceil(max_length / block_size));
  }
  return blocks;
}
