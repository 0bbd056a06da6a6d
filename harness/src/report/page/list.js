// The list of operations and the panel of details: the timeline's content as text, for eyes and for screen readers.
// Only the rows in sight exist, so that ten thousand operations scroll as easily as ten.

const ROW = 25;
const rows = new Map();

/** Which operations the filter lets through; the timeline pales the others, the list drops them. */
function applyFilter() {
  const key = byId("filter-key").value;
  const result = byId("filter-result").value;
  const words = byId("filter-text").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  state.shown = [];
  for (const operation of operations) {
    const fits = (key === "" || `=${operation.key ?? ""}` === key)
      && (result === "" || operation.outcome === result || (result === "counterexample" && inCounterexample.has(operation.id)))
      && words.every((word) => searchText(operation).includes(word));
    state.matches[operation.id] = fits ? 1 : 0;
    if (fits) state.shown.push(operation.id);
  }
  byId("filter-count").textContent = `${grouped(state.shown.length)} of ${plural(operations.length, "operation")}`;
  refreshList();
  redrawTimeline();
}

/** The list anew: after a filter, where every row stands elsewhere. */
function refreshList() {
  for (const row of rows.values()) row.remove();
  rows.clear();
  const spacer = byId("list-spacer");
  spacer.style.height = `${state.shown.length * ROW}px`;
  drawRows();
  if (state.chosen !== null) revealRow(state.chosen);
}

/** Makes the rows in sight and drops the others. */
function drawRows() {
  const list = byId("list");
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4);
  const last = Math.min(state.shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 4);
  for (const [position, row] of rows) {
    if (position < first || position >= last) {
      row.remove();
      rows.delete(position);
    }
  }
  for (let position = first; position < last; position += 1) {
    if (!rows.has(position)) {
      const row = makeRow(position, operations[state.shown[position]]);
      rows.set(position, row);
      list.append(row);
    }
  }
}

function makeRow(position, operation) {
  const latency = latencyOf(operation);
  const row = element("div", `row${operation.id === state.chosen ? " chosen" : ""}${inCounterexample.has(operation.id) ? " guilty" : ""}`, [
    element("span", "", `#${operation.id}`),
    element("span", "when number", instant(operation.invoked)),
    element("span", "", `c${operation.client}`),
    element("span", "function", operation.function),
    element("span", "value", shortText(operation, byId("list").clientWidth < 480 ? 8 : 20)),
    element("span", `pill ${operation.outcome}`, operation.outcome),
    element("span", "number", latency === null ? "—" : span(latency)),
  ]);
  row.id = `row-${operation.id}`;
  row.style.top = `${position * ROW}px`;
  row.setAttribute("role", "option");
  row.setAttribute("aria-selected", String(operation.id === state.chosen));
  row.setAttribute("aria-posinset", position + 1);
  row.setAttribute("aria-setsize", state.shown.length);
  row.setAttribute("aria-label", describe(operation));
  row.addEventListener("click", () => choose(operation.id));
  return row;
}

/** An operation in one sentence. */
function describe(operation) {
  const returned = operation.output === null ? "" : ` returned ${tail(operation.output, 60)}`;
  const latency = latencyOf(operation);
  const time = latency === null ? "never returned" : `after ${span(latency)}`;
  const wrong = inCounterexample.has(operation.id) ? ", in the counterexample" : "";
  return `#${operation.id} ${request(operation)}${returned}, client ${operation.client}, ${operation.outcome} ${time}, at ${instant(operation.invoked)}${wrong}`;
}

/** Scrolls the list, and nothing else, until a row is in sight. */
function revealRow(id) {
  const position = positionOf(id);
  if (position < 0) return;
  const list = byId("list");
  const top = position * ROW;
  if (top < list.scrollTop || top + ROW > list.scrollTop + list.clientHeight) {
    list.scrollTop = Math.max(0, top - list.clientHeight / 2);
  }
  drawRows();
}

/** Shown ids are in ascending order. */
function positionOf(id) {
  const position = lowerBound(state.shown, (candidate) => candidate >= id);
  return state.shown[position] === id ? position : -1;
}

/** Chooses an operation: list, details and timeline follow. */
function choose(id, { move = false } = {}) {
  const before = state.chosen;
  state.chosen = id;
  for (const changed of [before, id]) if (changed !== null) rows.get(positionOf(changed))?.remove();
  for (const changed of [before, id]) if (changed !== null) rows.delete(positionOf(changed));
  revealRow(id);
  byId("list").setAttribute("aria-activedescendant", `row-${id}`);
  showDetail(operationFields(operations[id]));
  const operation = operations[id];
  if (move && (operation.invoked < state.start || operation.invoked > state.end)) {
    const half = (state.end - state.start) / 2;
    setView(operation.invoked - half, operation.invoked + half);
  }
  redrawTimeline();
}

/** From a link elsewhere on the page: the operation in the timeline, and the timeline in sight. */
function goTo(id) {
  if (inCounterexample.has(id) && !state.matches[id]) clearFilter();
  choose(id, { move: true });
  byId("timeline").scrollIntoView({ block: "start" });
}

function clearFilter() {
  byId("filter-key").value = "";
  byId("filter-result").value = "";
  byId("filter-text").value = "";
  applyFilter();
}

/** The next or previous operation that the filter lets through, from the chosen one or from the view's edge. */
function step(by) {
  if (state.shown.length === 0) return;
  let position;
  if (state.chosen === null) {
    const first = lowerBound(state.shown, (id) => operations[id].invoked >= state.start);
    position = Math.min(first, state.shown.length - 1);
  } else {
    const near = lowerBound(state.shown, (id) => id >= state.chosen);
    position = by < 0 || state.shown[near] === state.chosen ? near + by : near;
  }
  choose(state.shown[Math.max(0, Math.min(state.shown.length - 1, position))], { move: true });
}

/** Details as name and value; a value may be an element. */
function showDetail(fields) {
  const listed = fields.filter(([, value]) => value !== null && value !== "");
  byId("detail").replaceChildren(element("dl", "", listed.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value)])));
}

function operationFields(operation) {
  const latency = latencyOf(operation);
  const wrong = operation === guilty;
  return [
    ["operation", `#${operation.id} ${request(operation)}`],
    ["result", element("span", `pill ${wrong ? "guilty" : operation.outcome}`, wrong ? `${operation.outcome}, but it cannot be` : outcomeWords(operation.outcome))],
    ["returned", operation.output],
    ["error", operation.error],
    ["client", `client ${operation.client}, process ${operation.process}`],
    ["node", operation.node],
    ["invoked", instant(operation.invoked)],
    ["completed", latency === null ? "never" : `${instant(operation.completed)}, after ${span(latency)}`],
    ["faults then", faultsDuring(operation)],
    ["why it is wrong", reasonsOf(operation)],
  ];
}

function outcomeWords(outcome) {
  return { ok: "ok", fail: "fail: it did not happen", info: "info: nobody knows whether it happened" }[outcome];
}

function faultsDuring(operation) {
  const end = operation.completed ?? operation.invoked;
  return firedFaults.filter((fault) => fault.start_us <= end && faultEnd(fault) >= operation.invoked).map((fault) => fault.description).join("\n");
}

function reasonsOf(operation) {
  if (!inCounterexample.has(operation.id)) return null;
  const reasons = violation.edges.filter((edge) => edge.from === operation.id || edge.to === operation.id).map((edge) => sentence(edge.reason));
  return reasons.length > 0 ? reasons.join("\n") : sentence(violation.message);
}

function faultFields(fault) {
  return [
    ["fault", fault.description], ["family", `${fault.family}, ${fault.kind}`],
    ["began", fault.withheld === null ? instant(fault.start_us) : `due at ${instant(fault.start_us)}`],
    ["lasted", fault.withheld === null ? span(faultEnd(fault) - fault.start_us) : null],
    ["targets", fault.targets.join(", ")],
    ["changed", fault.withheld === null ? `${grouped(fault.effective)} messages, inputs or operations` : null],
    ["withheld", fault.withheld],
  ];
}

function eventFields(event) {
  return [["node", event.node], ["event", event.kind], ["ballot", event.ballot], ["at", instant(event.at.time_us)], ["detail", event.detail]];
}
