// The answer in short: for each policy, how many requests run at once and what the pool holds meanwhile.

function policyRow({ policy, byHeld, replay }, fit) {
  const row = make("li", "policy");
  row.dataset.policy = policy;
  const count = make("p", "count");
  if (replay) count.append(make("b", "", number(fit?.requestsAtOnce)), " requests at once");
  else if (byHeld) count.append("at most ", make("b", "", number(byHeld)));
  row.append(make("h3", "", policy), count);
  if (replay) row.append(splitBar(fit), make("p", "why", why(fit)));
  else row.append(make("p", "why", byHeld ? "by arithmetic, not replayed" : "not replayed"));
  return row;
}

// Shares of the pool, mean over the steps with a full queue.
function splitBar(fit) {
  const bar = make("div", "split");
  bar.setAttribute("role", "img");
  const shares = fit ? sharesOf(fit) : {};
  bar.setAttribute("aria-label", fit ? sharesText(shares) : "not replayed yet");
  for (const [part, share] of Object.entries(shares)) {
    const piece = make("span", `part-${part}`);
    piece.style.width = `${100 * share}%`;
    piece.title = `${part}: ${percent(share)} % of the pool`;
    if (share > 0) bar.append(piece);
  }
  return bar;
}

function sharesOf(fit) {
  return { ...fit.split, free: 1 - fit.poolHeldShare };
}

function sharesText(shares) {
  const parts = Object.entries(shares).filter(([, share]) => share > 0);
  return `of the pool: ${parts.map(([part, share]) => `${part} ${percent(share)} %`).join(", ")}`;
}

function why(fit) {
  if (!fit) return "";
  const parts = [`limited by ${fit.limitedBy}`, `${percent(fit.liveShare)} % of held slots are live`];
  if (fit.preemptionsPerRequest) parts.push(`${number(fit.preemptionsPerRequest)} preemptions a request`);
  if (fit.demand) parts.push(counted(fit.demand.cards, "card"));
  return parts.join(" · ");
}

// A sentence or two: requests at once with paging beside reserving the maximum, and the cards that both need.
function summary({ plan }, fits) {
  const { paged } = fits;
  if (!paged) return "";
  const whole = fits["reserve-max"];
  const on = plan.cards_per_model > 1 ? `${number(plan.cards_per_model)} cards` : "one card";
  const times = whole
    ? `, ${number(paged.requestsAtOnce / whole.requestsAtOnce)} times as many as with reserve-max`
    : "";
  const first = `With paging, ${number(paged.requestsAtOnce)} requests run at once on ${on}${times}.`;
  if (!paged.demand) return first;
  const beside = whole?.demand ? `, ${number(whole.demand.cards)} with reserve-max` : "";
  const cards = `${counted(paged.demand.cards, "card")}${beside}`;
  return `${first} ${number(plan.requests_per_s)} requests a second need ${cards}.`;
}
