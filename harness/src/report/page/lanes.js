// The lanes of the timeline: which there are, how high they lie, and what is in each, ordered for searching.
// Lanes with nothing in them do not exist.

const LANES = { axis: 26, fault: 17, node: 20, client: 22, clientSmall: 11, gap: 8 };
const CLIENT_LANES_MAX = 64;
const FAULT_ROWS_MAX = 4;

const layout = makeLayout();

function makeLayout() {
  let y = LANES.axis;
  const made = { faults: [], nodes: [], clients: [], height: 0 };
  for (const family of families) {
    const rows = faultRows(report.faults.filter((fault) => fault.family === family));
    made.faults.push({ family, y, rows, height: rows.length * LANES.fault });
    y += rows.length * LANES.fault;
  }
  if (made.faults.length > 0) y += LANES.gap;
  for (const name of report.nodes) {
    made.nodes.push({ name, y, height: LANES.node, ...nodeHistory(name), struck: strikesOn(name) });
    y += LANES.node;
  }
  if (made.nodes.length > 0) y += LANES.gap;
  const lanes = clientLanes();
  const height = lanes.length > 24 ? LANES.clientSmall : LANES.client;
  for (const lane of lanes) {
    made.clients.push({ ...lane, y, height });
    y += height;
  }
  made.height = y + 8;
  return made;
}

/** Faults of one family that overlap go into rows of their own, up to a bound. */
function faultRows(faults) {
  const rows = [];
  for (const fault of faults) {
    const free = rows.find((row) => faultEnd(row[row.length - 1]) <= fault.start_us);
    if (free) free.push(fault);
    else if (rows.length < FAULT_ROWS_MAX) rows.push([fault]);
    else rows[FAULT_ROWS_MAX - 1].push(fault);
  }
  return rows;
}

/** A node's life as stretches (leader, crashed, paused) and marks (everything else), from its events. */
function nodeHistory(name) {
  const stretches = [];
  const marks = [];
  const open = new Map();
  const close = (kind, end) => {
    const begun = open.get(kind);
    if (begun) stretches.push({ ...begun, end });
    open.delete(kind);
  };
  const begin = (kind, event) => {
    close(kind, event.at.time_us);
    open.set(kind, { kind, start: event.at.time_us, event });
  };
  for (const event of report.node_events.filter((candidate) => candidate.node === name)) {
    const at = event.at.time_us;
    if (event.kind === "leader-elected") begin("leader", event);
    else if (event.kind === "step-down") close("leader", at);
    else if (event.kind === "crash") { close("leader", at); close("paused", at); begin("crashed", event); }
    else if (event.kind === "boot" || event.kind === "restart") close("crashed", at);
    else if (event.kind === "pause") begin("paused", event);
    else if (event.kind === "resume") close("paused", at);
    if (event.kind !== "leader-elected" && event.kind !== "crash" && event.kind !== "pause") marks.push(event);
  }
  for (const kind of [...open.keys()]) close(kind, endOfRun);
  return { stretches, marks };
}

function strikesOn(name) {
  return firedFaults.filter((fault) => fault.targets.includes(name));
}

/** A lane per client; where there are too many, clients share lanes as far as their operations do not overlap. */
function clientLanes() {
  const byClient = new Map();
  for (const operation of operations) {
    if (!byClient.has(operation.client)) byClient.set(operation.client, []);
    byClient.get(operation.client).push(operation);
  }
  const clients = [...byClient.keys()].sort((left, right) => left - right);
  if (clients.length <= CLIENT_LANES_MAX) {
    return clients.map((client) => laneOf(`client ${client}`, byClient.get(client)));
  }
  return sharedLanes();
}

function sharedLanes() {
  const lanes = [];
  for (const operation of [...operations].sort((left, right) => left.invoked - right.invoked)) {
    const free = lanes.find((lane) => lane.end <= operation.invoked) ?? (lanes.length < CLIENT_LANES_MAX ? null : lanes[operation.client % CLIENT_LANES_MAX]);
    const end = operation.completed ?? operation.invoked;
    if (free) { free.end = end; free.list.push(operation); }
    else lanes.push({ end, list: [operation] });
  }
  return lanes.map((lane, index) => laneOf(index === 0 ? "clients" : "", lane.list));
}

/** Operations in the order of beginning, with the latest end up to each, by which the visible ones are found. */
function laneOf(name, list) {
  const sorted = [...list].sort((left, right) => left.invoked - right.invoked || left.sequence - right.sequence);
  let latest = 0;
  const ends = sorted.map((operation) => (latest = Math.max(latest, barEnd(operation))));
  const positions = new Map(sorted.map((operation, index) => [operation.id, index]));
  return { name, list: sorted, ends, positions };
}

/** The operations of a lane that touch a stretch of time. */
function visibleOf(lane, start, end) {
  const first = lowerBound(lane.ends, (latest) => latest >= start);
  const found = [];
  for (let index = first; index < lane.list.length && lane.list[index].invoked <= end; index += 1) {
    if (barEnd(lane.list[index]) >= start) found.push(lane.list[index]);
  }
  return found;
}

/** Ballots in the order of first leadership: neighbours get different colours, one ballot always the same. */
const ballotColours = (() => {
  const order = new Map();
  for (const event of report.node_events) {
    if (event.kind === "leader-elected" && !order.has(event.ballot)) order.set(event.ballot, order.size % 4);
  }
  return order;
})();
