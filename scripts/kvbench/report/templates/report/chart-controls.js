// The controls beside a chart, as buttons and lists that a keyboard reaches. Names from results are set as text.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function button(text, attributes, pressed) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", () => pressed(made));
  return made;
}

// A button for each entry; `first` are the names hidden at first, `changed` gets those that are hidden from then on.
function legendControl(entries, first, changed) {
  const hidden = new Set(first);
  const buttons = entries.map(({ name, colour, text }) => {
    const made = button(text, { "aria-pressed": String(!hidden.has(name)) }, () => {
      if (!hidden.delete(name)) hidden.add(name);
      made.setAttribute("aria-pressed", String(!hidden.has(name)));
      changed([...hidden]);
    });
    const swatch = element("span", { class: "chart-swatch", "aria-hidden": "true" });
    swatch.style.background = colour;
    made.prepend(swatch);
    return made;
  });
  return element("div", { class: "chart-row chart-legend", role: "group", "aria-label": "Shown in the chart" }, ...buttons);
}

function choiceControl({ label, options }, first, changed) {
  const list = element("select", {}, ...options.map((text) => element("option", {}, text)));
  list.selectedIndex = Math.max(0, options.indexOf(first));
  list.addEventListener("change", () => changed(options[list.selectedIndex]));
  return element("label", { class: "chart-choice" }, `${label} `, list);
}

function zoomControl(zoom) {
  const moves = [
    ["+", "Zoom in", () => zoom.by(0.5)],
    ["−", "Zoom out", () => zoom.by(2)],
    ["←", "Earlier part", () => zoom.move(-0.25)],
    ["→", "Later part", () => zoom.move(0.25)],
    ["All", "Show all", () => zoom.all()],
  ];
  const buttons = moves.map(([text, name, act]) => button(text, { "aria-label": name, title: name }, act));
  return element("div", { class: "chart-row", role: "group", "aria-label": "Horizontal axis" }, ...buttons);
}
