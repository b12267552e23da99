// Colours of requests and of slots. Lightness is the same for all hues (OKLCH), in light mode darker than in dark mode.

const GOLDEN_ANGLE = 137.508; // neighbours in number get hues far apart

function oklch(lightness, chroma, hue) {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map(gammaByte);
}

function gammaByte(linear) {
  const value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  return Math.round(255 * Math.min(1, Math.max(0, value || 0)));
}

function colourOfRequest(request, dark) {
  const lightness = (dark ? [0.74, 0.66, 0.82] : [0.6, 0.52, 0.68])[request % 3];
  return oklch(lightness, dark ? 0.13 : 0.14, (request * GOLDEN_ANGLE + 250) % 360);
}

function mix(colour, other, share) {
  return colour.map((value, i) => Math.round(value * share + other[i] * (1 - share)));
}

function css(colour) {
  return `rgb(${colour.join(" ")})`;
}

// A pixel of ImageData seen as Uint32Array; browsers run on little-endian machines.
function packed(colour) {
  return ((255 << 24) | (colour[2] << 16) | (colour[1] << 8) | colour[0]) >>> 0;
}

function parsed(value) {
  const hex = value.trim().replace("#", "");
  return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

// What canvases need to know of the page's colours: block-map.css sets them, so that one place decides on dark mode.
class Theme {
  constructor(element) {
    const style = getComputedStyle(element);
    const read = (name) => parsed(style.getPropertyValue(`--bm-${name}`));
    for (const name of ["paper", "ink", "quiet", "free", "line", "accent", "waste"]) this[name] = read(name);
    this.dark = this.paper[0] < 128;
    this.sides = [read("first"), read("second")];
    this.events = ["admitted", "added", "completed", "preempted", "hit"].map(read);
    this.requests = [];
  }

  // Pixels of one request, dimmed or not: live; pale and stripe for reserved; edge; faint and stripe for finished.
  request(number, dimmed) {
    const key = number * 2 + (dimmed ? 1 : 0);
    return (this.requests[key] ||= this.shades(colourOfRequest(number, this.dark), dimmed ? 0.28 : 1));
  }

  shades(colour, strength) {
    const on = (share) => packed(mix(colour, this.paper, share * strength));
    const waste = (share) => packed(mix(mix(this.waste, colour, 0.85), this.paper, share * strength));
    return {
      live: on(1),
      pale: on(0.16),
      stripe: on(0.5),
      edge: on(0.65),
      faded: on(0.3),
      dots: on(0.8),
      mark: packed(mix(this.ink, this.paper, 0.75 * strength)),
      wasteFaint: waste(0.28),
      wasteStripe: waste(0.62),
      paper: packed(this.paper),
    };
  }
}
