// Interactive charts beside figures. Nothing is loaded before a reader opens one; then the library, once for the page.

async function inflated(script) {
  const packed = Uint8Array.from(atob(script.textContent.trim()), (sign) => sign.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

let loading = null;
function chartLibrary() {
  loading ||= inflated(document.getElementById("chart-library")).then((code) => {
    document.head.append(element("script", {}, code));
    return window.vegaEmbed;
  });
  return loading;
}

// No eval (`ast`), no menu, whose entries lead to the network; errors only, for an emptied chart is none.
const CHART_OPTIONS = {
  ast: true, actions: false, renderer: "svg", mode: "vega-lite", logLevel: 1, tooltip: { theme: "page", id: "chart-tip" },
};

class Beside {
  constructor(figure) {
    this.sheet = figure.querySelector(".sheet");
    this.panel = element("div", { class: "chart", role: "group" });
    this.panel.hidden = true;
    this.charts = [...figure.querySelectorAll("script[data-chart]")];
    const titles = ["Figure", ...this.charts.map((script) => script.dataset.chart)];
    this.buttons = titles.map((title, place) =>
      button(title, { "aria-pressed": String(!place) }, () => this.show(place)),
    );
    const label = `Ways to show ${this.sheet.getAttribute("aria-label").replace("Figure: ", "")}`;
    this.sheet.before(element("div", { class: "chart-row chart-ways", role: "group", "aria-label": label }, ...this.buttons));
    this.sheet.after(this.panel);
    this.view = null;
    this.state = [];
  }

  // 0: the figure, which is there from the beginning; others: the charts.
  async show(place) {
    this.buttons.forEach((one, number) => one.setAttribute("aria-pressed", String(number === place)));
    this.place = place;
    this.sheet.hidden = place > 0;
    this.panel.hidden = !place;
    if (place) await this.open(place);
  }

  async open(place) {
    this.panel.replaceChildren(element("p", { role: "status" }, "The chart opens…"));
    this.panel.setAttribute("aria-label", `Chart: ${this.buttons[place].textContent}`);
    try {
      const [embed, text] = await Promise.all([chartLibrary(), inflated(this.charts[place - 1])]);
      if (this.place === place) await this.draw(embed, JSON.parse(text), (this.state[place] ||= {}));
    } catch (error) {
      this.sheet.hidden = false;
      const say = `The chart could not be drawn: ${error.message}. It needs a browser of 2023 or later.`;
      this.panel.replaceChildren(element("p", { role: "status" }, say));
    }
  }

  // `state` keeps the parameters that a reader has set, for when the chart is drawn anew in other colours.
  async draw(embed, chart, state) {
    this.view?.finalize();
    const box = element("div", { class: "chart-box" });
    const bar = element("div", { class: "chart-row chart-bar" });
    this.panel.replaceChildren(bar, box);
    const { view } = await embed(box, chart.spec, { ...CHART_OPTIONS, config: chartTheme() });
    this.view = view;
    for (const [name, value] of Object.entries(state)) view.signal(name, value);
    await view.runAsync();
    const zoom = chart.zooms ? new Zoom(view, box) : null;
    const set = (name, value) => {
      state[name] = value;
      view.signal(name, value).run();
    };
    for (const choice of chart.choices)
      bar.append(choiceControl(choice, state[choice.param], (value) => (set(choice.param, value), zoom?.renew())));
    if (zoom) bar.append(zoomControl(zoom));
    const legend = legendControl(chart.legend, state.hidden ?? [], (names) => set("hidden", names));
    this.panel.insertBefore(legend, box);
  }
}

window.kvbenchCharts = [...document.querySelectorAll("figure[data-charts]")].map((figure) => new Beside(figure));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  window.kvbenchCharts.filter((one) => one.place).forEach((one) => one.open(one.place)),
);
