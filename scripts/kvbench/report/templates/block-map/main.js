// Opens the maps of a page when they come into view, or when the address names a moment of one.

async function inflate(base64) {
  const stream = new Blob([decoded(base64.trim())]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

function decoded(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function openMap(map) {
  if (map.opening) return map.ready;
  map.opening = true;
  try {
    const data = await inflate(map.parts.data.textContent);
    if (!data.sides?.length || !data.requests?.length) {
      return say(map, data.reason || "No engine recorded its blocks for this model and workload, so there is no map.");
    }
    data.sides.forEach(unpackSide);
    map.parts.message.hidden = true;
    map.parts.body.hidden = false;
    map.start(data);
    followAddress(map, false);
    map.fit();
    map.opened(map);
  } catch (error) {
    say(map, `The map could not be read: ${error.message}. It needs a browser of 2023 or later.`);
  }
  return map.ready;
}

function say(map, text) {
  map.parts.body.hidden = true;
  map.parts.message.hidden = false;
  setText(map.parts.message, text);
  map.opened(map);
}

// Go to the moment in the address, if it is one of this map; `scroll`: also into view.
function followAddress(map, scroll) {
  const found = readAddress();
  if (!found || found.map !== map.name || location.hash === map.address?.written) return;
  for (let element = map.root; element; element = element.parentElement)
    if (element.matches("details")) element.open = true;
  if (scroll) map.root.scrollIntoView({ block: "start" });
  if (!map.data) return;
  map.player.stop();
  if (found.show.length) map.showSides(found.show);
  map.request = map.data.requests[found.request] ? found.request : null;
  map.cell = null;
  map.goTo(found.side ?? map.lead, found.step ?? map.step());
}

function addressed(map) {
  return readAddress()?.map === map.name;
}

// What tests and the page's other scripts may call.
function handle(map) {
  return {
    ready: map.ready,
    open: () => openMap(map).then(() => undefined),
    seek: (side, step) => map.goTo(side, step),
    choose: (request) => map.choose(request),
    holds: (request, side = map.lead) => map.replay(side).cells(request),
    counts: (side = map.lead) => ({ ...map.occupancy(side).counts }),
    waiting: (side = map.lead) => [...map.occupancy(side).queue],
    colour: (request) => css(colourOfRequest(request, map.theme.dark)),
    moment: () => ({ side: map.lead, step: map.step(), time: map.time, request: map.request, shown: [...map.shown] }),
  };
}

function printInLight(map, printing) {
  map.root.classList.toggle("bm-printing", printing);
  if (map.data && map.panels) map.retheme();
}

function prepareMaps() {
  const maps = [...document.querySelectorAll("[data-block-map]")].map((root) => new BlockMap(root));
  const seen = new IntersectionObserver(
    (entries) =>
      entries
        .filter((entry) => entry.isIntersecting)
        .forEach((entry) => openMap(maps.find((m) => m.root === entry.target))),
    { rootMargin: "300px" },
  );
  window.kvbenchMaps = {};
  for (const map of maps) {
    window.kvbenchMaps[map.root.id] = handle(map);
    seen.observe(map.root);
    if (addressed(map)) openMap(map).then(() => followAddress(map, true));
  }
  addEventListener("hashchange", () =>
    maps.filter(addressed).forEach((map) => openMap(map).then(() => followAddress(map, true))),
  );
  addEventListener("beforeprint", () => maps.forEach((map) => printInLight(map, true)));
  addEventListener("afterprint", () => maps.forEach((map) => printInLight(map, false)));
}

prepareMaps();
