// Numbers as the page writes them: three significant digits, whole numbers in full, a dash for none.

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

function number(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "bigint" || Number.isInteger(value) || Math.abs(value) >= 1000) return WHOLE.format(value);
  return value.toPrecision(3).replace(/\.$/, "");
}

function gib(bytes) {
  return `${(Number(bytes) / GIB).toFixed(2)} GiB`;
}

function percent(share) {
  return number(100 * share);
}

function counted(value, unit) {
  return `${number(value)} ${unit}${value === 1 ? "" : "s"}`;
}
