// The tables of the page, with the arithmetic written out. As kvbench/report/capacity.py.

const GROUP_WORDS = { full: "full layers", sliding: "sliding layers", mla: "layers with a latent vector (MLA)" };

function memoryTable({ room, plan }) {
  const { card } = plan;
  const cards = room.cards > 1 ? `${room.cards} × ` : "";
  const usable = gib(BigInt(room.cards) * BigInt(room.usableBytes));
  const share = `(${card.memory_fraction} − ${card.activation_reserve})`;
  return [
    ["quantity", "arithmetic", "value"],
    ...slotRows(room),
    ["weights", `${number(room.shape.parameters)} parameters × ${room.itemsize} bytes`, gib(room.weightsBytes)],
    ["for weights and KV cache", `${cards}${share} × ${card.memory_gib} GiB`, usable],
    ["KV cache", `${usable} − ${gib(room.weightsBytes)}`, gib(room.kvBytes)],
    ["slots", `${number(room.kvBytes)} // ${number(room.slotBytes)}`, number(room.slots)],
    ["blocks", blocksText(room, plan.block_size), number(blocksOf(room, plan.block_size))],
  ];
}

function slotRows({ shape, kvItemsize, slotBytes }) {
  const [first] = shape.groups;
  if (shape.groups.length === 1 && first.kv_heads && first.window === null) {
    const heads = `2 × ${first.layers} layers × ${first.kv_heads} KV heads × ${first.head_dim}`;
    return [["slot: K and V of a token", `${heads} × ${kvItemsize} bytes`, `${number(slotBytes)} bytes`]];
  }
  const rows = shape.groups.map((group) => [
    `a token in ${groupName(group)}`,
    `${group.layers} layers × ${number(group.elements)} elements × ${kvItemsize} bytes`,
    `${number(group.layers * group.elements * kvItemsize)} bytes`,
  ]);
  const slot = shape.groups.length === 1 ? "a token in all layers" : "a token in one layer";
  return [...rows, ["slot", slot, `${number(slotBytes)} bytes`]];
}

function groupName({ kind, window }) {
  return `${GROUP_WORDS[kind]}${window ? `, of the last ${number(window)}` : ""}`;
}

function blocksText(room, size) {
  if (room.shape.groups.length === 1) return `${number(room.slots)} // ${size}`;
  return `${number(room.kvBytes)} // (${size} tokens × ${room.paging.pageUnits} layers × ${number(room.slotBytes)})`;
}

// Bytes of KV of a token, and of a request of the maximum length, by group of layers.
function requestTable({ room, plan }) {
  const sizes = groupBytes(room, plan.max_length);
  const rows = room.shape.groups.map((group, place) => [
    groupName(group),
    `${number(group.layers * group.elements * room.kvItemsize)} bytes`,
    number(stored(group, plan.max_length)),
    gib(sizes[place]),
  ]);
  const sum = sizes.reduce((one, other) => one + other);
  if (rows.length > 1) rows.push(["all", "", "", gib(sum)]);
  return [["layers", "a token", `tokens kept of ${number(plan.max_length)}`, "a request"], ...rows];
}

// `fits`: what replays have found so far, by policy.
function fitsTable({ room, policies }, fits) {
  const over = (held, ratio) => (held === null ? "–" : `${number(room.slots)} / ${number(held)} = ${number(ratio)}`);
  const rows = policies.map(({ policy, mean, held, byMean, byHeld, replay }) => {
    const fit = fits[policy];
    const told = fit
      ? [
          number(fit.requestsAtOnce),
          fit.limitedBy,
          percent(fit.poolHeldShare),
          percent(fit.liveShare),
          number(fit.preemptionsPerRequest),
        ]
      : [replay ? "…" : "not replayed", "", "", "", ""];
    return [policy, over(mean, byMean), over(held, byHeld), ...told];
  });
  return [
    [
      "policy",
      "pool / slots of a request",
      "pool / slots held over steps",
      "requests at once, replay",
      "limited by",
      "pool held (%)",
      "live of held (%)",
      "preemptions a request",
    ],
    ...rows,
  ];
}

function demandsTable({ plan, policies }, fits) {
  const rows = policies.map(({ policy }) => {
    const fit = fits[policy];
    if (!fit?.demand) return [policy, "–", "–", "–", "–", "–", "–"];
    const { step, demand } = fit;
    const cards = plan.cards_per_model > 1 ? `, × ${plan.cards_per_model}` : "";
    return [
      policy,
      number(1000 * step),
      `${number(fit.stepsPerRequest)} × ${number(step)} = ${number(demand.time)}`,
      `${number(plan.requests_per_s)} × ${number(demand.time)} = ${number(demand.inService)}`,
      `${number(demand.inService)} / ${number(fit.requestsAtOnce)} → ${number(demand.groups)}${cards}`,
      number(demand.cards),
      number(demand.mostPerS),
    ];
  });
  return [
    [
      "policy",
      "step (ms)",
      "W: steps × step (s)",
      "L = λ W (requests)",
      "L / requests at once",
      "cards",
      "most requests/s",
    ],
    ...rows,
  ];
}

function engineText({ engine, plan }) {
  return (
    `For this KV cache, max_num_batched_tokens ${number(plan.max_step_tokens)} and asynchronous scheduling, ` +
    `vLLM 0.32 would log at its start: ${number(engine.blocks)} blocks, its null block among them; ` +
    `a KV cache of ${number(engine.tokens)} tokens; maximum concurrency for ${number(plan.max_length)} tokens per ` +
    `request: ${engine.concurrency.toFixed(2)}x.`
  );
}
