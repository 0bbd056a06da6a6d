// Statistics: operations by function and outcome, latencies, messages, faults, checks, phases.
// A table with nothing in it is not shown.

function showStatistics() {
  const columns = [
    [operationTable(), latencyTable()],
    [messageTable()],
    [checkTable(), phaseTable()],
    [faultTable()],
  ];
  const shown = columns.map((tables) => tables.filter(Boolean)).filter((tables) => tables.length > 0);
  byId("tables").replaceChildren(...shown.map((tables) => element("div", "", tables)));
}

/** A table with a title; columns after the first `words` hold numbers. */
function table(id, title, head, body, words = 1) {
  const cell = (name, value, index) => element(name, index >= words ? "number" : "", value);
  const headRow = element("tr", "", head.map((value, index) => {
    const made = cell("th", value, index);
    made.scope = "col";
    return made;
  }));
  const bodyRows = body.map((row) => element("tr", row.total ? "total" : "", row.cells.map((value, index) => cell("td", value, index))));
  const made = element("table", "", [element("thead", "", headRow), element("tbody", "", bodyRows)]);
  made.id = id;
  const heading = element("h3", "", title);
  heading.id = `${id}-title`;
  made.setAttribute("aria-labelledby", heading.id);
  return element("div", "", [heading, element("div", "table-scroll", made)]);
}

/** Operations by function, in the order of first use. */
function byFunction() {
  const groups = new Map();
  for (const operation of operations) {
    if (!groups.has(operation.function)) groups.set(operation.function, []);
    groups.get(operation.function).push(operation);
  }
  return [...groups];
}

function operationTable() {
  if (operations.length === 0) return null;
  const row = (name, list, total) => {
    const count = (outcome) => grouped(list.filter((operation) => operation.outcome === outcome).length);
    return { total, cells: [name, count("ok"), count("info"), count("fail"), grouped(list.length)] };
  };
  const groups = byFunction();
  const body = groups.map(([name, list]) => row(name, list, false));
  if (groups.length > 1) body.push(row("all", operations, true));
  return table("operation-table", "Operations by result", ["function", "ok", "info", "fail", "total"], body);
}

/** The nearest-rank percentile of a sorted, non-empty list: always a latency that occurred. */
function percentile(sorted, share) {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

function latencyTable() {
  const body = [];
  for (const [name, list] of byFunction()) {
    const latencies = list.filter((operation) => operation.outcome === "ok" && operation.completed !== null).map(latencyOf).sort((left, right) => left - right);
    if (latencies.length === 0) continue;
    body.push({ cells: [name, ...[0.5, 0.95, 0.99, 1].map((share) => span(percentile(latencies, share)))] });
  }
  return body.length === 0 ? null : table("latency-table", "Latency of ok operations", ["function", "p50", "p95", "p99", "max"], body);
}

function checkTable() {
  const checks = report.meta.checks;
  if (checks.length === 0) return null;
  const body = checks.map((check) => ({ cells: [check.name, check.verdict + (check.reason === null ? "" : `: ${check.reason}`)] }));
  return table("check-table", "Checks", ["check", "verdict"], body, 2);
}

function messageTable() {
  const kinds = report.statistics.messages;
  if (kinds.length === 0) return null;
  const fields = ["sent", "dropped", "delayed", "duplicated"];
  const body = kinds.map((kind) => ({ cells: [kind.kind, ...fields.map((field) => grouped(kind[field]))] }));
  if (kinds.length > 1) {
    const sum = (field) => grouped(kinds.reduce((total, kind) => total + kind[field], 0));
    body.push({ total: true, cells: ["all", ...fields.map(sum)] });
  }
  return table("message-table", "Messages", ["kind", "sent", "dropped", "delayed", "twice"], body);
}

/** Operations that were acknowledged while a fault lasted. */
function acknowledgedDuring(fault) {
  return operations.filter((operation) => operation.outcome === "ok" && operation.completed !== null
    && operation.completed >= fault.start_us && operation.completed < faultEnd(fault)).length;
}

function faultTable() {
  if (report.faults.length === 0) return null;
  const body = report.faults.map((fault) => ({
    cells: fault.withheld === null
      ? [fault.description, span(fault.start_us), span(faultEnd(fault) - fault.start_us), grouped(fault.effective), grouped(acknowledgedDuring(fault))]
      : [`${fault.description} (withheld: ${fault.withheld})`, span(fault.start_us), "—", "—", "—"],
  }));
  return table("fault-table", "Faults", ["fault", "start", "length", "changed", "ok during"], body);
}

function phaseTable() {
  const phases = report.meta.phases;
  if (phases.length === 0) return null;
  const body = phases.map((phase) => ({ cells: [phase.name, span(phase.start_us), span(phase.end_us - phase.start_us)] }));
  return table("phase-table", "Phases", ["phase", "start", "length"], body);
}
