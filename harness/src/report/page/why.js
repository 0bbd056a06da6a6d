// Why it is wrong: the counterexample as bars on client lanes with the edges that contradict each other, and the
// argument in numbered steps. Time runs left to right by order, not to scale, so that nothing is too small to read.

const DRAWN_MAX = 40;
const EDGE_WORDS = {
  "real-time": "finished before", process: "was issued before", "reads-from": "was read by", "write-read": "was read by",
  "must-precede": "must come before", "write-write": "wrote before", "read-write": "did not see",
};

const graph = { lane: 56, bar: 30, top: 34, left: 92, margin: 26, gap: 46 };

function showWhy() {
  if (!violation) return;
  const drawn = counterexample.slice(0, DRAWN_MAX);
  byId("why-lead").textContent = whyLead(drawn.length);
  showSteps();
  showOtherViolations();
  if (drawn.length === 0) {
    document.querySelector(".why").classList.add("words-only");
    return;
  }
  byId("why-graph").hidden = false;
  drawGraph(drawn);
}

function whyLead(drawn) {
  if (drawn === 0) return `Found by ${violation.check}, which looks at the cluster and not at single operations.`;
  const cut = drawn < counterexample.length ? `The first ${drawn} of ${counterexample.length} operations` : "The fewest operations found";
  if (violation.edges.length === 0) return `${cut} that show it. Time runs left to right, not to scale.`;
  return `${cut} that cannot be put in any order. Time runs left to right, not to scale; follow the arrows round.`;
}

function showSteps() {
  const steps = violation.steps.length > 0 ? violation.steps : [violation.message];
  byId("why-steps").replaceChildren(...steps.map((step, position) => {
    const last = position === steps.length - 1;
    return element("li", last ? "conclusion" : "", element("span", "", withLinks(step, counterexample)));
  }));
}

/** Splits a step so that `#17` and `read x -> [4] by process 5` lead to their operations. */
function withLinks(text, named) {
  const found = [...matchesOf(text, named)].sort((left, right) => left.start - right.start || right.end - left.end);
  const pieces = [];
  let at = 0;
  for (const match of found) {
    if (match.start < at) continue;
    pieces.push(document.createTextNode(text.slice(at, match.start)));
    pieces.push(linkTo(text.slice(match.start, match.end), () => goTo(match.id)));
    at = match.end;
  }
  pieces.push(document.createTextNode(text.slice(at)));
  return pieces;
}

function* matchesOf(text, named) {
  for (const match of text.matchAll(/#(\d+)\b/g)) {
    const id = Number(match[1]);
    if (id < operations.length) yield { start: match.index, end: match.index + match[0].length, id };
  }
  for (const operation of named) yield* phrasesOf(text, operation);
}

/** `<function> <key> … by process <n>`, as the checker writes an operation. */
function* phrasesOf(text, operation) {
  const end = `by process ${operation.process}`;
  const start = operation.key === null ? operation.function : `${operation.function} ${operation.key}`;
  for (let at = text.indexOf(end); at >= 0; at = text.indexOf(end, at + 1)) {
    if (/\d/.test(text.charAt(at + end.length))) continue;
    const from = text.lastIndexOf(start, at);
    const between = from < 0 ? "" : text.slice(from, at);
    // Two operations of one process differ in what stands between; another operation's end does not belong here.
    if (from < 0 || between.includes("by process")) continue;
    if (operation.input !== "" && !between.includes(operation.input)) continue;
    yield { start: from, end: at + end.length, id: operation.id };
  }
}

function showOtherViolations() {
  const others = report.violations.slice(1, 51);
  if (others.length === 0) return;
  const block = byId("why-others");
  block.hidden = false;
  const more = report.violations.length - 1 - others.length;
  block.firstElementChild.textContent = `${plural(report.violations.length - 1, "more violation")}${more > 0 ? `, the first ${others.length} of them` : ""}`;
  block.lastElementChild.replaceChildren(...others.map((other) => {
    const links = other.operations.slice(0, 12).map((id) => linkTo(`#${id}`, () => goTo(id)));
    return element("li", "", [`${other.check}: ${other.message} `, ...links.flatMap((link) => [link, " "])]);
  }));
}

/** Draws the graph; again when the page changes its width. */
function drawGraph(drawn) {
  const box = byId("why-graph");
  const clients = [...new Set(drawn.map((operation) => operation.client))].sort((left, right) => left - right);
  const edges = violation.edges.filter((edge) => [edge.from, edge.to].every((id) => drawn.some((operation) => operation.id === id)));
  const bars = placeBars(drawn, clients, box.clientWidth - 2);
  const below = edges.filter((edge) => bars.get(edge.to).left < bars.get(edge.from).left).length;
  const height = graph.top + clients.length * graph.lane + below * 34 + 12;
  const width = Math.max(...[...bars.values()].map((bar) => bar.right)) + graph.margin;
  const picture = svgElement("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": graphWords(edges) });
  clients.forEach((client, position) => drawClientLane(picture, client, laneMiddle(position), width));
  const labels = [];
  let depth = 0;
  for (const edge of edges) {
    const [from, to] = [bars.get(edge.from), bars.get(edge.to)];
    const curve = to.left < from.left ? backwardCurve(from, to, graph.top + clients.length * graph.lane + 34 * depth++) : forwardCurve(from, to, edge.kind);
    drawEdge(picture, edge, curve);
    labels.push({ edge, curve });
  }
  for (const operation of drawn) drawBar(picture, operation, bars.get(operation.id));
  const taken = [...bars.values()].map((bar) => ({ x: bar.left, y: bar.y - graph.bar / 2, width: bar.right - bar.left, height: graph.bar }));
  for (const label of labels) drawEdgeLabel(picture, label.edge, label.curve, taken);
  box.replaceChildren(picture);
}

/** The graph for those who do not see it. */
function graphWords(edges) {
  if (edges.length === 0) return "The operations in the order of their invocation; the steps say the same in words.";
  return edges.map((edge) => `#${edge.from} ${EDGE_WORDS[edge.kind]} #${edge.to}`).join("; ");
}

function laneMiddle(position) {
  return graph.top + position * graph.lane + graph.bar / 2;
}

/**
 * Puts every beginning and end at a place of its own in the order in which they happened, then widens what lies
 * between them until each bar holds its words and the whole fills the box.
 */
function placeBars(drawn, clients, available) {
  const ends = drawn.flatMap((operation) => [
    { operation, first: true, at: operation.sequence },
    { operation, first: false, at: operation.completedSequence ?? Number.MAX_SAFE_INTEGER },
  ]).sort((left, right) => left.at - right.at);
  const place = (gap) => {
    const bars = new Map();
    let x = graph.left;
    for (const end of ends) {
      if (end.first) {
        bars.set(end.operation.id, { left: x, right: x, y: laneMiddle(clients.indexOf(end.operation.client)) });
      } else {
        const bar = bars.get(end.operation.id);
        x = Math.max(x, bar.left + barText(end.operation).length * 7.3 + 18);
        bar.right = x;
      }
      x += gap;
    }
    return { bars, right: x - gap };
  };
  const narrow = place(graph.gap);
  const spare = available - graph.margin - narrow.right;
  return spare > 0 ? place(graph.gap + Math.min(110, spare / (ends.length - 1))).bars : narrow.bars;
}

function barText(operation) {
  return tail(`#${operation.id} ${shortText(operation, 16)}`, 40);
}

function drawClientLane(picture, client, y, width) {
  picture.append(
    svgElement("line", { class: "lane", x1: graph.left - 8, x2: width - 6, y1: y, y2: y }),
    svgElement("text", { class: "lane-name", x: graph.left - 16, y: y + 4, "text-anchor": "end" }, `client ${client}`),
  );
}

function drawBar(picture, operation, bar) {
  const guiltyClass = operation === guilty ? " guilty" : "";
  const group = svgElement("g", {});
  group.append(
    svgElement("title", {}, describe(operation)),
    svgElement("rect", { class: `bar ${operation.outcome}${guiltyClass}`, x: bar.left, y: bar.y - graph.bar / 2, width: bar.right - bar.left, height: graph.bar, rx: 4 }),
    svgElement("text", { x: (bar.left + bar.right) / 2, y: bar.y + 4, "text-anchor": "middle", "pointer-events": "none" }, barText(operation)),
  );
  group.addEventListener("click", () => goTo(operation.id));
  picture.append(group);
}

/** From the end of one bar to the beginning of a later one; what was read leaves from the middle. */
function forwardCurve(from, to, kind) {
  const half = graph.bar / 2;
  if (from.y === to.y) return bowOver(from, to);
  const down = to.y > from.y ? 1 : -1;
  const start = { x: kind === "real-time" ? from.right : (from.left + from.right) / 2, y: kind === "real-time" ? from.y : from.y + down * half };
  const target = { x: to.left + Math.min(18, (to.right - to.left) / 4), y: to.y - down * half };
  const bend = Math.max(24, (target.x - start.x) * 0.45);
  return kind === "real-time"
    ? [start, { x: start.x + bend, y: start.y }, { x: target.x, y: target.y - down * 30 }, target]
    : [start, { x: start.x, y: start.y + down * 24 }, { x: target.x - bend * 0.4, y: target.y - down * 24 }, target];
}

function bowOver(from, to) {
  const half = graph.bar / 2;
  const start = { x: from.right - 10, y: from.y - half };
  const target = { x: to.left + 10, y: to.y - half };
  return [start, { x: start.x + 16, y: start.y - 20 }, { x: target.x - 16, y: target.y - 20 }, target];
}

/** Against time: under everything, so that the contradiction is seen as the way back. */
function backwardCurve(from, to, floor) {
  const half = graph.bar / 2;
  const start = { x: (from.left + from.right) / 2, y: from.y + half };
  const target = { x: (to.left + to.right) / 2, y: to.y + half };
  return [start, { x: start.x - 30, y: floor + 26 }, { x: target.x + 10, y: floor + 26 }, target];
}

function pointOn(curve, t) {
  const s = 1 - t;
  const weights = [s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t];
  return curve.reduce((sum, point, index) => ({ x: sum.x + weights[index] * point.x, y: sum.y + weights[index] * point.y }), { x: 0, y: 0 });
}

function drawEdge(picture, edge, curve) {
  const [start, one, two, target] = curve;
  const group = svgElement("g", {});
  const angle = Math.atan2(target.y - two.y, target.x - two.x);
  const corner = (turn) => `${(target.x - 11 * Math.cos(angle + turn)).toFixed(1)} ${(target.y - 11 * Math.sin(angle + turn)).toFixed(1)}`;
  group.append(
    svgElement("title", {}, edge.reason),
    svgElement("path", { class: `edge ${edge.kind}`, d: `M${start.x} ${start.y} C${one.x} ${one.y} ${two.x} ${two.y} ${target.x} ${target.y}` }),
    svgElement("path", { class: `head ${edge.kind}`, d: `M${target.x} ${target.y} L${corner(0.42)} L${corner(-0.42)} Z` }),
  );
  picture.append(group);
}

/** Two short lines at the first place along the curve where they cover neither a bar nor another label. */
function drawEdgeLabel(picture, edge, curve, taken) {
  const lines = edgeLines(edge);
  const width = Math.max(...lines.map((line) => line.length)) * 6.4 + 6;
  const height = lines.length * 14;
  const boxes = [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8].map((t) => pointOn(curve, t)).map((point) => ({ x: point.x - width / 2, y: point.y - height / 2, width, height }));
  const box = boxes.find((candidate) => candidate.x > 4 && !taken.some((other) => overlaps(candidate, other))) ?? boxes[0];
  taken.push(box);
  // The line is covered where the words stand.
  picture.append(svgElement("rect", { class: "edge-ground", ...box }));
  lines.forEach((line, index) => picture.append(
    svgElement("text", { class: `edge-label ${edge.kind}`, x: box.x + width / 2, y: box.y + 11 + index * 14 }, line),
  ));
}

function overlaps(left, right) {
  return left.x < right.x + right.width && right.x < left.x + left.width && left.y < right.y + right.height && right.y < left.y + left.height;
}

function edgeLines(edge) {
  const gap = gapOf(edge);
  const words = EDGE_WORDS[edge.kind];
  if (gap !== null) return [`finished ${span(gap)}`, "before it began"];
  return edge.kind === "must-precede" ? [`#${edge.from} must come`, `before #${edge.to}`] : [words];
}
