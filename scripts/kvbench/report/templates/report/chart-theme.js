// Colours of charts, from the page's own: the same engines' colours in light and dark, axes and edges by the page.

function chartTheme() {
  const style = getComputedStyle(document.documentElement);
  const [ink, paper, quiet, line, strong] = ["ink", "paper", "quiet", "line", "strong"].map((name) =>
    style.getPropertyValue(`--${name}`).trim(),
  );
  const narrow = innerWidth < 640;
  return {
    background: "transparent",
    font: "system-ui, sans-serif",
    view: { stroke: null },
    axis: {
      labelColor: ink, titleColor: quiet, gridColor: line, domainColor: strong, tickColor: strong,
      labelFontSize: narrow ? 10 : 12, titleFontSize: narrow ? 11 : 12, titleFontWeight: "normal",
    },
    axisX: { tickCount: narrow ? 4 : 8, labelOverlap: true },
    axisY: { labelLimit: narrow ? 170 : 320 },
    title: { anchor: "start", frame: "group", color: ink, fontSize: 13, fontWeight: 600, offset: 8, limit: narrow ? 320 : 700 },
    bar: { stroke: quiet, strokeWidth: 0.4 },
    style: {
      casing: { color: ink, opacity: 0.35 },
      whisker: { color: ink, strokeWidth: 1.4 },
      repeat: { color: ink, fill: paper, strokeWidth: 1 },
      outline: { color: ink, strokeWidth: 1 },
      reference: { color: quiet, strokeWidth: 1, strokeDash: [4, 3] },
    },
  };
}
