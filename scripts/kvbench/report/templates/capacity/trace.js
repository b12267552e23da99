// A user's requests: lengths of a file or of pasted lines, which never leave the browser.

const MOST_REQUESTS = 100000;
const MOST_TOKENS = 2 ** 31 - 1;
// Names of the columns of prompt and output: our own, and those of Azure's and BurstGPT's traces.
const HEADERS = [
  ["prompt_tokens", "output_tokens"],
  ["ContextTokens", "GeneratedTokens"],
  ["Request tokens", "Response tokens"],
];
const GZIP = [0x1f, 0x8b];

class TraceError extends Error {}

// The text of a file, unpacked if it is compressed with gzip.
async function textOf(file) {
  const begin = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  if (begin[0] !== GZIP[0] || begin[1] !== GZIP[1]) return file.text();
  try {
    return await new Response(file.stream().pipeThrough(new DecompressionStream("gzip"))).text();
  } catch {
    throw new TraceError(`${file.name}: the compressed file is broken or incomplete; get it again`);
  }
}

// Prompt and output lengths of a CSV in the order of its lines; TraceError names the file, the line and the reason.
function traceOf(text, name) {
  const prompt = [];
  const output = [];
  let columns = null;
  let begun = false;
  text
    .replace(/^\ufeff/, "")
    .split(/\r\n|\n|\r/)
    .forEach((line, index) => {
      if (!line.trim()) return;
      const at = `${name}: line ${number(index + 1)}`;
      const cells = line.split(",").map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
      if (!begun) {
        begun = true;
        columns = columnsOf(cells, at);
        if (columns) return;
        columns = [0, 1];
      }
      if (prompt.length === MOST_REQUESTS)
        throw new TraceError(`${at}: more than ${number(MOST_REQUESTS)} requests; leave some out`);
      prompt.push(tokens(cells[columns[0]], "prompt", at));
      output.push(tokens(cells[columns[1]], "output", at));
      if (prompt.at(-1) + output.at(-1) > MOST_TOKENS)
        throw new TraceError(`${at}: more than ${number(MOST_TOKENS)} tokens; shorten it`);
    });
  if (!prompt.length) throw new TraceError(`${name}: no requests; write one a line, as prompt_tokens,output_tokens`);
  return { prompt: Int32Array.from(prompt), output: Int32Array.from(output), of: name };
}

// The columns of a header; null for a line with numbers.
function columnsOf(cells, at) {
  for (const names of HEADERS) {
    const found = names.map((name) => cells.indexOf(name));
    if (found.every((place) => place >= 0)) return found;
  }
  if (cells.some((cell) => /\d/.test(cell) && Number.isFinite(Number(cell)))) return null;
  const known = HEADERS.map((names) => names.join(",")).join(" or ");
  throw new TraceError(`${at}: ${cells.join(",").slice(0, 60)} is no header that is known; it needs ${known}`);
}

function tokens(cell, what, at) {
  if (cell === undefined) throw new TraceError(`${at}: one column; write prompt_tokens,output_tokens`);
  if (/^\d+(\.0*)?$/.test(cell) && Number(cell) >= 1 && Number(cell) <= MOST_TOKENS) return Number(cell);
  throw new TraceError(`${at}: ${what} tokens ${cell.slice(0, 40) || "missing"}; write a whole number of 1 or more`);
}
