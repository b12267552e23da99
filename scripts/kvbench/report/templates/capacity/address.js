// The settings in the page's address: #model=llama-2-7b&memory_gib=80&… A link opens the page with them.

const MAY_BE_EMPTY = ["parameters", "groups", "requests_per_s", ...TIMES];
const ADDRESS_DELAY_MS = 250; // browsers refuse many changes of the address in a short time

function fragmentOf(settings) {
  const given = Object.entries(settings).filter(([, value]) => value !== "");
  return `#${new URLSearchParams(given)}`;
}

// The settings of the address; what it leaves out and needs a value is that of `others`. null if it has no settings.
function addressed(others) {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!NAMES_IN_ORDER.some((name) => given.has(name))) return null;
  const left = (name) => (MAY_BE_EMPTY.includes(name) ? "" : others[name]);
  return Object.fromEntries(NAMES_IN_ORDER.map((name) => [name, given.get(name) ?? left(name)]));
}

class Address {
  // Later, so that typing does not write each key. One entry of the history for each input that is changed.
  write(settings, field) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.writeNow(settings, field), ADDRESS_DELAY_MS);
  }

  writeNow(settings, field) {
    const fragment = fragmentOf(settings);
    if (fragment === location.hash) return;
    const same = field !== undefined && field === this.field;
    history[same ? "replaceState" : "pushState"](null, "", fragment);
    this.field = field;
  }

  // The page went to another entry: nothing that was typed before is to be written.
  left() {
    clearTimeout(this.timer);
    this.field = undefined;
  }
}
