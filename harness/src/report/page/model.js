// The model of a report's page: the embedded data, its operations out of their columns, and how things are said.
// Nothing here touches the page; whatever a value holds, it is only ever text.

const report = JSON.parse(document.getElementById("data").textContent);
const OUTCOMES = ["ok", "fail", "info"];

/** Undoes `columns.rs`: one object per operation, its position being its id. */
function decodeOperations(columns) {
  const word = (index) => (index < 0 ? null : columns.words[index]);
  const lastOutput = new Map();
  let invoked = 0;
  let sequence = 0;
  return columns.process.map((process, id) => {
    invoked += columns.invoke_us[id];
    sequence += columns.invoke_sequence[id];
    const key = word(columns.key[id]);
    const after = columns.complete_us[id];
    return {
      id, process, key,
      client: columns.client[id],
      function: word(columns.function[id]),
      input: word(columns.input[id]),
      node: word(columns.node[id]),
      error: word(columns.error[id]),
      outcome: OUTCOMES[columns.outcome[id]],
      invoked, sequence,
      completed: after < 0 ? null : invoked + after,
      completedSequence: after < 0 ? null : sequence + columns.complete_sequence[id],
      output: decodeOutput(columns, id, key, lastOutput),
    };
  });
}

function decodeOutput(columns, id, key, lastOutput) {
  const shared = columns.output_shared[id];
  if (shared < 0) return null;
  const output = (lastOutput.get(key) ?? "").slice(0, shared) + columns.output_rest[id];
  lastOutput.set(key, output);
  return output;
}

const operations = decodeOperations(report.operations);
const violation = report.violations[0] ?? null;

/** The end of everything: at least 1 µs, so that no scale divides by zero. */
const endOfRun = operations.reduce(
  (end, operation) => Math.max(end, operation.invoked, operation.completed ?? 0),
  Math.max(1, report.meta.simulated_us, ...report.faults.map((fault) => fault.end_us ?? fault.start_us)),
);

/** Operations that the headline's violation names, its edges' ends and evidence included, in order. */
const counterexample = violation ? counterexampleOf(violation) : [];
const inCounterexample = new Set(counterexample.map((operation) => operation.id));
/** The operation at fault, as far as one is: the last to begin is the one that saw what cannot be. */
const guilty = counterexample.length > 0
  ? counterexample.reduce((last, operation) => (operation.sequence > last.sequence ? operation : last))
  : null;

function counterexampleOf(found) {
  const ids = new Set(found.operations);
  for (const edge of found.edges) {
    ids.add(edge.from);
    ids.add(edge.to);
  }
  return [...ids].sort((left, right) => operations[left].sequence - operations[right].sequence).map((id) => operations[id]);
}

/** When each client next asks for something: an operation that never returned is drawn no further than that. */
const nextOfClient = (() => {
  const next = new Array(operations.length).fill(null);
  const last = new Map();
  for (const operation of operations) {
    const before = last.get(operation.client);
    if (before !== undefined) next[before] = operation.invoked;
    last.set(operation.client, operation.id);
  }
  return next;
})();

/** Where an operation's bar ends. */
function barEnd(operation) {
  return operation.completed ?? nextOfClient[operation.id] ?? endOfRun;
}

function latencyOf(operation) {
  return operation.completed === null ? null : operation.completed - operation.invoked;
}

/** A duration or a time in the unit that reads best: `3.2 ms`, `1.250 s`. */
function span(microseconds) {
  if (microseconds < 1000) return `${microseconds} µs`;
  if (microseconds < 1_000_000) return `${(microseconds / 1000).toFixed(1)} ms`;
  return `${(microseconds / 1_000_000).toFixed(microseconds < 10_000_000 ? 3 : 1)} s`;
}

/** A point of the run, in milliseconds so that neighbours compare. */
function instant(microseconds) {
  return `${(microseconds / 1000).toFixed(1)} ms`;
}

function grouped(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

function plural(count, noun) {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** The end of a long value: of a list, what was added last, since that is where lists differ. */
function tail(text, length) {
  if (text.length <= length) return text;
  return text.startsWith("[") ? `[… ${text.slice(text.length - length).replace(/^\S*?[\s,]+/, "")}` : `${text.slice(0, length - 1)}…`;
}

/** What an operation did, in few characters: `u += 23`, `u → [… 18 19]`. */
function shortText(operation, length = 18) {
  const key = operation.key === null ? "" : `${tail(operation.key, 12)} `;
  if (operation.input === "") {
    return operation.output === null ? `${key}${operation.function}` : `${key}→ ${tail(operation.output, length)}`;
  }
  const sign = { append: "+=", add: "+=", write: ":=", put: ":=", set: ":=" }[operation.function] ?? tail(operation.function, 12);
  return `${key}${sign} ${tail(operation.input, length)}`;
}

/** What an operation asked for, in words: `append u 23`. */
function request(operation) {
  return [operation.function, operation.key, operation.input].filter((part) => part !== null && part !== "").join(" ");
}

/** Everything that the search looks at, in lower case; made once per operation. */
function searchText(operation) {
  operation.searchable ??= [
    `#${operation.id}`, `c${operation.client}`, `client ${operation.client}`, `process ${operation.process}`, request(operation),
    shortText(operation), operation.output ?? "", operation.node ?? "", operation.outcome, operation.error ?? "",
  ].join(" ").toLowerCase();
  return operation.searchable;
}

/** The first position of a sorted array for which `reached` holds (its length if none). */
function lowerBound(sorted, reached) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (reached(sorted[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Families of faults that occur, in a fixed order, unknown ones last. */
const FAMILIES = ["partition", "link", "process", "clock", "disk"];
const families = [...new Set(report.faults.map((fault) => fault.family))].sort((left, right) => rank(left) - rank(right));

function rank(family) {
  const position = FAMILIES.indexOf(family);
  return position < 0 ? FAMILIES.length : position;
}

function faultEnd(fault) {
  return fault.end_us ?? endOfRun;
}

/** Faults that happened. */
const firedFaults = report.faults.filter((fault) => fault.withheld === null);
