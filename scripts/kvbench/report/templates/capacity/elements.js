// Small helpers for elements. Whatever comes from data is set as text.

function partsOf(root) {
  const found = {};
  for (const element of root.querySelectorAll("[data-part]")) found[element.dataset.part] = element;
  return found;
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function fillSelect(select, options) {
  select.replaceChildren(...options.map(([value, text]) => Object.assign(make("option", "", text), { value })));
}

const WRAPPED = 30; // cells with at least this many characters are wrapped

// Rows of text as a table; the first row has the names of the columns.
function tableOf([names, ...rows]) {
  const table = make("table");
  const head = table.createTHead().insertRow();
  head.append(...names.map((name) => make("th", "", name)));
  const body = table.createTBody();
  for (const row of rows) body.insertRow().append(...row.map(cellOf));
  return table;
}

function cellOf(text) {
  const kind = text.length > WRAPPED ? "t" : /^[\d–]/.test(text) ? "n" : "";
  return make("td", kind, text);
}
