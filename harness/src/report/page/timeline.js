// The timeline: faults, nodes and operations on one axis, drawn on a canvas, only as far as they are visible.
// Also the minimap with its brush, the filter, and what pointer and keys do to them.

const SHORTEST_VIEW = 200;
const MINIMAP = { height: 44, axis: 0 };

const state = { start: 0, end: endOfRun, chosen: null, matches: new Uint8Array(operations.length).fill(1), shown: operations.map((operation) => operation.id) };

/** The stretch that shows the counterexample with something around it. */
function violationView() {
  if (counterexample.length === 0) return [0, endOfRun];
  const start = Math.min(...counterexample.map((operation) => operation.invoked));
  const end = Math.max(...counterexample.map((operation) => operation.completed ?? operation.invoked));
  const around = Math.max(5000, (end - start) * 0.15);
  return [start - around, end + around];
}

function setView(start, end) {
  const length = Math.min(endOfRun, Math.max(SHORTEST_VIEW, end - start));
  const from = Math.min(Math.max(0, start), endOfRun - length);
  state.start = from;
  state.end = from + length;
  redrawTimeline();
}

/** Zooms about a point of time, which stays where it is. */
function zoom(factor, about = (state.start + state.end) / 2) {
  const length = Math.min(endOfRun, Math.max(SHORTEST_VIEW, (state.end - state.start) * factor));
  const share = (about - state.start) / (state.end - state.start);
  setView(about - length * share, about + length * (1 - share));
}

function pan(share) {
  const by = (state.end - state.start) * share;
  setView(state.start + by, state.end + by);
}

let timelineFrame = 0;

/** At most one drawing per frame, however many events ask for it. */
function redrawTimeline() {
  if (timelineFrame === 0) timelineFrame = requestAnimationFrame(() => { timelineFrame = 0; drawTimeline(); });
}

/** A drawing's scale: canvas, its width, and time to x. */
function scaleOf(context, width, start, end) {
  const left = gutterOf(width);
  const right = width - 8;
  const perPixel = (end - start) / Math.max(1, right - left);
  return { context, width, left, right, start, end, perPixel, x: (time) => left + (time - start) / perPixel, time: (x) => start + (x - left) * perPixel };
}

let mainScale = null;
let miniScale = null;

function drawTimeline() {
  drawMinimap();
  const { context, width } = contextOf(byId("lanes"), layout.height);
  const scale = scaleOf(context, width, state.start, state.end);
  mainScale = scale;
  drawAxis(scale, layout.height - 6);
  drawLaneNames(scale);
  context.save();
  context.beginPath();
  context.rect(scale.left, 0, scale.right - scale.left, layout.height);
  context.clip();
  layout.faults.forEach((lane) => drawFaultLane(scale, lane));
  layout.nodes.forEach((lane) => drawNodeLane(scale, lane));
  layout.clients.forEach((lane) => drawClientOperations(scale, lane));
  drawTimelineEdges(scale);
  context.restore();
}

function drawAxis(scale, bottom) {
  const { context } = scale;
  const step = tickStep(scale.end - scale.start, (scale.right - scale.left) / 110);
  context.fillStyle = colour("muted");
  context.textAlign = "center";
  for (let at = Math.ceil(scale.start / step) * step; at <= scale.end; at += step) {
    const x = Math.round(scale.x(at)) + 0.5;
    context.fillStyle = colour("grid");
    context.fillRect(x - 0.5, LANES.axis - 6, 1, bottom - LANES.axis + 6);
    context.fillStyle = colour("muted");
    const text = tickText(at, step);
    const half = context.measureText(text).width / 2;
    if (x - half >= scale.left - 4 && x + half <= scale.width) context.fillText(text, x, 10);
  }
}

function drawLaneNames(scale) {
  const { context } = scale;
  context.textAlign = "right";
  const name = (text, y, ink) => {
    context.fillStyle = ink;
    context.fillText(clipped(context, text, scale.left - 12), scale.left - 8, y);
  };
  for (const lane of layout.faults) name(lane.family, lane.y + LANES.fault / 2, familyColour(lane.family));
  for (const lane of layout.nodes) name(lane.name, lane.y + lane.height / 2, colour("text"));
  // On a phone the word "client" would take a quarter of the width.
  const short = scale.left < 100;
  for (const lane of layout.clients) {
    if (lane.height >= LANES.client || lane.name === "clients") name(short ? lane.name.replace("client ", "c") : lane.name, lane.y + lane.height / 2, colour("text"));
  }
}

const widths = new Map();

/** A text cut to a width; widths are remembered, since measuring is most of the cost of drawing words. */
function clipped(context, text, width) {
  const key = `${context.font}\u0000${text}`;
  let full = widths.get(key);
  if (full === undefined) {
    if (widths.size > 20_000) widths.clear();
    full = context.measureText(text).width;
    widths.set(key, full);
  }
  if (full <= width) return text;
  const fitting = Math.floor((text.length * width) / full) - 1;
  return fitting > 0 ? `${text.slice(0, fitting)}…` : "";
}

function drawFaultLane(scale, lane) {
  const { context } = scale;
  const ink = familyColour(lane.family);
  context.textAlign = "left";
  lane.rows.forEach((row, index) => {
    const y = lane.y + index * LANES.fault + 2;
    const height = LANES.fault - 4;
    for (const fault of row) {
      if (fault.start_us > scale.end || faultEnd(fault) < scale.start) continue;
      const x = Math.max(scale.x(fault.start_us), scale.left - 2);
      const width = Math.max(3, Math.min(scale.x(faultEnd(fault)), scale.right + 2) - x);
      if (fault.withheld !== null) drawWithheld(scale, x, y, height, ink);
      else drawFaultBar(context, fault, { x, y, width, height }, ink);
    }
  });
}

function drawFaultBar(context, fault, bar, ink) {
  context.fillStyle = ink;
  context.globalAlpha = fault.effective > 0 ? 0.9 : 0.45;
  context.fillRect(bar.x, bar.y, bar.width, bar.height);
  context.globalAlpha = 1;
  if (bar.width < 30) return;
  context.fillStyle = colour("ground");
  context.fillText(clipped(context, fault.description, bar.width - 10), bar.x + 5, bar.y + bar.height / 2 + 0.5);
}

/** Due but held back: an outline, since nothing happened. */
function drawWithheld(scale, x, y, height, ink) {
  const { context } = scale;
  context.strokeStyle = ink;
  context.setLineDash([2, 2]);
  context.strokeRect(x + 0.5, y + 0.5, 7, height - 1);
  context.setLineDash([]);
}

function drawNodeLane(scale, lane) {
  const { context } = scale;
  const middle = lane.y + lane.height / 2;
  context.fillStyle = colour("line");
  context.fillRect(scale.left, middle - 0.5, scale.right - scale.left, 1);
  for (const stretch of lane.stretches) drawStretch(scale, lane, stretch);
  for (const mark of lane.marks) drawMark(scale, mark, middle);
  // Struck by a fault: underlined, as far as the fault lasts.
  for (const fault of lane.struck) {
    if (fault.start_us > scale.end || faultEnd(fault) < scale.start) continue;
    context.fillStyle = familyColour(fault.family);
    const x = scale.x(fault.start_us);
    context.fillRect(x, lane.y + lane.height - 3, Math.max(2, scale.x(faultEnd(fault)) - x), 2.5);
  }
}

function drawStretch(scale, lane, stretch) {
  if (stretch.start > scale.end || stretch.end < scale.start) return;
  const { context } = scale;
  const x = Math.max(scale.x(stretch.start), scale.left - 2);
  const width = Math.max(2, Math.min(scale.x(stretch.end), scale.right + 2) - x);
  const [y, height] = [lane.y + 2, lane.height - 6];
  context.textAlign = "left";
  if (stretch.kind === "leader") {
    context.fillStyle = colour(`leader-${ballotColours.get(stretch.event.ballot) ?? 0}`);
    context.fillRect(x, y, width, height);
    context.fillStyle = "#ffffff";
    const ballot = stretch.event.ballot === null ? "leader" : `leader · ballot ${stretch.event.ballot}`;
    if (width > 24) context.fillText(clipped(context, ballot, width - 8), x + 5, y + height / 2 + 0.5);
    return;
  }
  context.fillStyle = colour("faint");
  context.fillRect(x, y, width, height);
  const crashed = stretch.kind === "crashed";
  hatch(context, x, y, width, height, crashed ? colour("process") : colour("muted"), crashed ? 5 : 8, !crashed);
  if (width < 58) return;
  const half = context.measureText(stretch.kind).width;
  context.fillStyle = colour("sheet");
  context.fillRect(x + 6, y, half + 8, height);
  context.fillStyle = colour("text");
  context.fillText(stretch.kind, x + 10, y + height / 2 + 0.5);
}

/** Boots, candidacies and the like: a small diamond. */
function drawMark(scale, mark, middle) {
  const x = scale.x(mark.at.time_us);
  if (x < scale.left || x > scale.right) return;
  const { context } = scale;
  context.fillStyle = mark.kind === "candidate" ? colour("doubt") : colour("muted");
  context.beginPath();
  context.moveTo(x, middle - 4);
  context.lineTo(x + 4, middle);
  context.lineTo(x, middle + 4);
  context.lineTo(x - 4, middle);
  context.fill();
}

/** A lane's operations; where several share a pixel, the one that matters more stands. */
function drawClientOperations(scale, lane) {
  const list = visibleOf(lane, scale.start, scale.end);
  const important = [];
  let drawnTo = -Infinity;
  for (const operation of list) {
    if (inCounterexample.has(operation.id) || operation.id === state.chosen) { important.push(operation); continue; }
    const to = scale.x(barEnd(operation));
    if (to - drawnTo < 0.5 && operation.outcome === "ok") continue;
    drawOperation(scale, lane, operation);
    if (state.matches[operation.id]) drawnTo = to;
  }
  for (const operation of important) {
    drawOperation(scale, lane, operation);
    outline(scale, lane, operation);
  }
}

function barOf(scale, lane, operation) {
  const inset = lane.height >= LANES.client ? 3 : 1;
  const x = Math.max(scale.x(operation.invoked), scale.left - 4);
  const end = Math.min(scale.x(barEnd(operation)), scale.right + 4);
  return { x, y: lane.y + inset, width: Math.max(2, end - x), height: lane.height - 2 * inset };
}

function drawOperation(scale, lane, operation) {
  const { context } = scale;
  const bar = barOf(scale, lane, operation);
  context.globalAlpha = state.matches[operation.id] ? 1 : 0.12;
  const ink = colour(`${operation.outcome}-line`);
  context.fillStyle = colour(operation.outcome);
  context.fillRect(bar.x, bar.y, bar.width, bar.height);
  if (bar.width > 4) {
    context.strokeStyle = ink;
    context.lineWidth = 1;
    if (operation.outcome !== "ok") context.setLineDash(operation.outcome === "info" ? [5, 3] : [2, 2]);
    context.strokeRect(bar.x + 0.5, bar.y + 0.5, bar.width - 1, bar.height - 1);
    context.setLineDash([]);
    if (operation.outcome === "info") hatch(context, bar.x, bar.y + bar.height - 5, bar.width, 5, ink, 5);
  }
  // What changes the state has a dark edge where it begins.
  if (operation.input !== "" && bar.width > 6 && scale.x(operation.invoked) > scale.left - 4) {
    context.fillStyle = ink;
    context.fillRect(bar.x, bar.y, 3, bar.height);
  }
  if (bar.width > 34 && lane.height >= LANES.client) drawOperationText(context, operation, bar);
  context.globalAlpha = 1;
}

function drawOperationText(context, operation, bar) {
  context.font = MONO;
  context.fillStyle = colour("text");
  context.textAlign = "left";
  context.fillText(fittingText(context, operation, bar.width - 10), bar.x + 6, bar.y + bar.height / 2 + 0.5);
  context.font = FONT;
}

/** The longest of an operation's short texts that fits: of a list, rather its end alone than its middle. */
function fittingText(context, operation, width) {
  for (const length of [18, 10, 6]) {
    const text = shortText(operation, length);
    if (clipped(context, text, width) === text) return text;
  }
  return clipped(context, operation.key ?? operation.function, width);
}

function outline(scale, lane, operation) {
  const { context } = scale;
  const bar = barOf(scale, lane, operation);
  const wrong = inCounterexample.has(operation.id);
  context.strokeStyle = wrong ? colour("bad") : colour("text");
  context.lineWidth = wrong ? 2.5 : 2;
  context.strokeRect(bar.x - 1, bar.y - 1, bar.width + 2, bar.height + 2);
  if (operation.id !== state.chosen || !wrong) return;
  context.strokeStyle = colour("text");
  context.lineWidth = 1.5;
  context.strokeRect(bar.x - 4, bar.y - 3.5, bar.width + 8, bar.height + 7);
}

/** The contradiction's edges, from bar to bar. */
function drawTimelineEdges(scale) {
  const place = new Map();
  for (const lane of layout.clients) {
    for (const operation of counterexample) if (lane.positions.has(operation.id)) place.set(operation.id, barOf(scale, lane, operation));
  }
  for (const edge of violation?.edges ?? []) {
    const [from, to] = [place.get(edge.from), place.get(edge.to)];
    const forward = to.x >= from.x;
    // Against time: from below to below, clear of the words in the bars.
    const start = { x: forward ? from.x + from.width : from.x + from.width / 2, y: from.y + from.height / (forward ? 2 : 1) };
    const target = { x: forward ? to.x - 1 : to.x + to.width / 2, y: to.y + to.height / (forward ? 2 : 1) + (forward ? 0 : 2) };
    if (Math.max(start.x, target.x) < scale.left || Math.min(start.x, target.x) > scale.right) continue;
    drawArrow(scale.context, edge.kind, start, target);
  }
}

const DASHES = {
  "real-time": [], process: [], "reads-from": [2, 4], "write-read": [2, 4],
  "must-precede": [7, 4], "write-write": [7, 4], "read-write": [7, 4],
};

function drawArrow(context, kind, start, target) {
  const ink = colour(kind);
  const bow = DASHES[kind][0] === 7 ? 30 : -12;
  const middle = { x: (start.x + target.x) / 2, y: (start.y + target.y) / 2 + bow };
  context.strokeStyle = ink;
  context.lineWidth = 1.8;
  context.setLineDash(DASHES[kind]);
  context.beginPath();
  context.moveTo(start.x, start.y);
  context.quadraticCurveTo(middle.x, middle.y, target.x, target.y);
  context.stroke();
  context.setLineDash([]);
  const angle = Math.atan2(target.y - middle.y, target.x - middle.x);
  context.fillStyle = ink;
  context.beginPath();
  context.moveTo(target.x, target.y);
  for (const turn of [0.45, -0.45]) context.lineTo(target.x - 9 * Math.cos(angle + turn), target.y - 9 * Math.sin(angle + turn));
  context.fill();
}

/** Completions per stretch of the whole run, by which the minimap is drawn; a column is two pixels. */
function histogramOf(columns) {
  const counts = { ok: new Uint32Array(columns), other: new Uint32Array(columns), most: 1 };
  for (const operation of operations) {
    const column = Math.min(columns - 1, Math.floor((operation.invoked / endOfRun) * columns));
    const total = (counts[operation.outcome === "ok" ? "ok" : "other"][column] += 1);
    counts.most = Math.max(counts.most, total);
  }
  return counts;
}

let histogram = null;

function drawMinimap() {
  const { context, width } = contextOf(byId("minimap"), MINIMAP.height);
  const scale = scaleOf(context, width, 0, endOfRun);
  miniScale = scale;
  const [top, height] = [4, MINIMAP.height - 10];
  context.fillStyle = colour("faint");
  context.fillRect(scale.left, top, scale.right - scale.left, height);
  for (const fault of firedFaults) drawBand(scale, fault, top, height);
  const columns = Math.max(10, Math.floor((scale.right - scale.left) / 3));
  if (histogram?.ok.length !== columns) histogram = histogramOf(columns);
  drawHistogram(scale, top + height, height - 6);
  context.fillStyle = colour("muted");
  context.textAlign = "right";
  context.fillText(clipped(context, "whole run", scale.left - 12), scale.left - 8, top + height / 2);
  drawBrush(scale, top, height);
}

/** A fault as a pale band with a line on top; bands of several faults lie over each other. */
function drawBand(scale, fault, top, height) {
  const x = scale.x(fault.start_us);
  const width = Math.max(1.5, scale.x(faultEnd(fault)) - x);
  scale.context.fillStyle = familyColour(fault.family);
  scale.context.globalAlpha = 0.16;
  scale.context.fillRect(x, top, width, height);
  scale.context.globalAlpha = 1;
}

function drawHistogram(scale, bottom, height) {
  const { context } = scale;
  const columns = histogram.ok.length;
  const step = (scale.right - scale.left) / columns;
  for (let column = 0; column < columns; column += 1) {
    const ok = (histogram.ok[column] / histogram.most) * height;
    const other = Math.min(height - ok, (histogram.other[column] / histogram.most) * height);
    context.fillStyle = colour("ok-line");
    context.fillRect(scale.left + column * step, bottom - ok, step - 0.8, ok);
    context.fillStyle = colour("info-line");
    context.fillRect(scale.left + column * step, bottom - ok - other, step - 0.8, other);
  }
}

function drawBrush(scale, top, height) {
  const { context } = scale;
  if (guilty) {
    const x = scale.x(guilty.invoked);
    context.fillStyle = colour("bad");
    context.beginPath();
    context.moveTo(x - 5, top - 3);
    context.lineTo(x + 5, top - 3);
    context.lineTo(x, top + 8);
    context.fill();
  }
  const x = scale.x(state.start);
  context.strokeStyle = colour("text");
  context.lineWidth = 1.5;
  context.strokeRect(x, top - 1, Math.max(3, scale.x(state.end) - x), height + 2);
}
