// Reads what is typed; an Error says what may be written instead.

function whole(text, [least, most]) {
  const plain = text.trim().replace(/[, _]/g, "");
  const value = Number(plain);
  if (/^\d+$/.test(plain) && value >= least && value <= most) return value;
  throw new Error(`${said(text)}; write a whole number from ${number(least)} to ${number(most)}`);
}

function real(text, least, most, above) {
  const plain = text.trim();
  const value = Number(plain);
  if (/^[\d.]+(e[+-]?\d+)?$/i.test(plain) && (above ? value > least : value >= least) && value <= most) return value;
  throw new Error(
    `${said(text)}; write a number ${above ? "above" : "from"} ${least} ${above ? "up to" : "to"} ${number(most)}`,
  );
}

function oneOf(text, known) {
  if (known.includes(text)) return text;
  throw new Error(`${said(text)}; choose one of the list`);
}

function said(text) {
  return text.trim() ? `${text.trim().slice(0, 40)} is no valid value` : "empty";
}
