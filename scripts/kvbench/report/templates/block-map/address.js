// A moment in the page's address: #map=<model>/<workload>&side=0&step=17&request=3

const ADDRESS_DELAY_MS = 250; // browsers refuse many changes of the address in a short time

function readAddress() {
  const values = new URLSearchParams(location.hash.slice(1));
  if (!values.has("map")) return null;
  const whole = (name) => (/^\d+$/.test(values.get(name) || "") ? Number(values.get(name)) : null);
  const show = (values.get("show") || "").split(",").filter((part) => /^\d+$/.test(part));
  return {
    map: values.get("map"),
    side: whole("side"),
    step: whole("step"),
    request: whole("request"),
    show: show.map(Number),
  };
}

function addressOf(map) {
  const escaped = encodeURIComponent(map.name).replaceAll("%2F", "/");
  const request = map.request === null ? "" : `&request=${map.request}`;
  const show = map.showsDefault() ? "" : `&show=${map.shown.join(",")}`;
  return `#map=${escaped}&side=${map.lead}&step=${map.step()}${request}${show}`;
}

class Address {
  constructor(map) {
    this.map = map;
  }

  // Later, so that dragging does not write each step.
  write() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.written = addressOf(this.map);
      history.replaceState(history.state, "", this.written);
    }, ADDRESS_DELAY_MS);
  }
}
