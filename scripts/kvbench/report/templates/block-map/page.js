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
