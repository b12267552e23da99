// Small helpers for elements. Whatever comes from data is set as text.

function partsOf(root) {
  const found = {};
  for (const element of root.querySelectorAll("[data-part]")) found[element.dataset.part] ||= element;
  return found;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

const NUMBERS = new Intl.NumberFormat("en-US"); // made once: every call of toLocaleString looks its locale up

function number(value) {
  return NUMBERS.format(value);
}

function counted(value, unit) {
  return `${number(value)} ${unit}${value === 1 ? "" : "s"}`;
}

function bytes(count) {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  let at = 0;
  for (; count >= 1024 && at < units.length - 1; at++) count /= 1024;
  return `${number(Number(count.toPrecision(3)))} ${units[at]}`;
}

// Parts that only caches can have whose layers differ or have a window.
const LATER = { expired: "expired", page_padding: "page padding" };

function wordOf(part) {
  return LATER[part] || part;
}

// What a cell is. A page is a block, unless blocks of some layers take several.
function unitOf(replay) {
  if (replay.rows) return "row";
  return (replay.side.tables || []).some((table) => table.pages > 1) ? "page" : "block";
}

// What is counted as free: memory for rows, whose length differs from batch to batch.
function freeUnit(replay) {
  return replay.rows ? "slots" : `${unitOf(replay)}s`;
}

function attentionOf({ kind, window }) {
  return window === null ? kind : `${kind}, window ${number(window)}`;
}

function kindName(kind) {
  return `${attentionOf(kind)}, ${counted(kind.layers, "layer")}`;
}

function percent(share) {
  return share === null ? "–" : `${(100 * share).toFixed(1)} %`;
}

function fillSelect(select, options) {
  select.replaceChildren(...options.map(([value, text]) => Object.assign(make("option", "", text), { value })));
}

// What a request is called in lists: its number, and its name where it is another.
function nameOf(requests, request) {
  const id = String(requests[request].id);
  return id === String(request) ? `#${request}` : `#${request} ${shortened(id, 40)}`;
}
