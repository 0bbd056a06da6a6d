// Latency and throughput over the whole run, with the faults as bands: what a fault did, and when service came back.
// Outcomes differ by shape as well as by colour. A click moves the timeline there.

const LATENCY_HEIGHT = 220;
const THROUGHPUT_HEIGHT = 128;
const BINS_MAX = 600;

let chartScale = null;

function drawCharts() {
  drawLatency();
  drawThroughput();
}

/** The decades that hold every latency, at least one. */
function decades() {
  let [least, most] = [Infinity, 1];
  for (const operation of operations) {
    const latency = latencyOf(operation);
    if (latency === null) continue;
    least = Math.min(least, Math.max(1, latency));
    most = Math.max(most, latency);
  }
  const low = Math.floor(Math.log10(Math.min(least, most)));
  return [low, Math.max(low + 1, Math.ceil(Math.log10(most + 1)))];
}

function drawLatency() {
  const { context, width } = contextOf(byId("latency-chart"), LATENCY_HEIGHT);
  const scale = scaleOf(context, width, 0, endOfRun);
  chartScale = scale;
  const [top, bottom] = [22, LATENCY_HEIGHT - 24];
  drawBands(scale, top, bottom);
  const [low, high] = decades();
  const y = (latency) => bottom - ((Math.log10(Math.max(1, latency)) - low) / (high - low)) * (bottom - top - 16);
  for (let decade = low; decade <= high; decade += 1) drawRule(scale, y(10 ** decade), decadeText(decade));
  context.textAlign = "right";
  context.fillStyle = colour("muted");
  context.fillText("latency", scale.left - 8, 9);
  drawTimeTicks(scale, bottom);
  // The many first, so that the few are seen.
  for (const outcome of OUTCOMES) {
    for (const operation of operations) {
      if (operation.outcome === outcome) drawDot(scale, operation, latencyOf(operation) === null ? top + 6 : y(latencyOf(operation)));
    }
  }
  if (guilty) drawRing(scale, guilty, latencyOf(guilty) === null ? top + 6 : y(latencyOf(guilty)));
}

function decadeText(decade) {
  return decade < 3 ? `${10 ** decade} µs` : decade < 6 ? `${10 ** (decade - 3)} ms` : `${10 ** (decade - 6)} s`;
}

function drawRule(scale, y, text) {
  const { context } = scale;
  context.fillStyle = colour("grid");
  context.fillRect(scale.left, Math.round(y), scale.right - scale.left, 1);
  context.fillStyle = colour("muted");
  context.textAlign = "right";
  context.fillText(text, scale.left - 8, y);
}

/** Bands with a line on top and, where there is room, the family's name, since colours alone do not say it. */
function drawBands(scale, top, bottom) {
  const { context } = scale;
  const named = [];
  for (const fault of firedFaults) {
    drawBand(scale, fault, top, bottom - top);
    const x = scale.x(fault.start_us);
    const end = Math.max(x + 2, scale.x(faultEnd(fault)));
    context.fillStyle = familyColour(fault.family);
    context.fillRect(x, top - 3, end - x, 3);
    const width = context.measureText(fault.family).width;
    if (named.some((other) => x < other.end + 4 && other.x < x + width + 4)) continue;
    if (x + width > scale.right) continue;
    context.textAlign = "left";
    context.fillText(fault.family, x, top - 11);
    named.push({ x, end: x + width });
  }
}

function drawTimeTicks(scale, y) {
  const { context } = scale;
  const step = tickStep(endOfRun, (scale.right - scale.left) / 90);
  context.fillStyle = colour("muted");
  context.textAlign = "center";
  for (let at = 0; at <= endOfRun; at += step) {
    const text = tickText(at, step);
    if (scale.x(at) + context.measureText(text).width / 2 <= scale.width) context.fillText(text, scale.x(at), y + 12);
  }
}

/** A dot for ok, a triangle for info, a cross for fail. */
function drawDot(scale, operation, y) {
  const { context } = scale;
  const x = scale.x(operation.invoked);
  const ink = colour(`${operation.outcome}-line`);
  context.fillStyle = ink;
  if (operation.outcome === "ok") {
    context.fillRect(x - 1.25, y - 1.25, 2.5, 2.5);
  } else if (operation.outcome === "info") {
    context.beginPath();
    context.moveTo(x, y - 4);
    context.lineTo(x + 4, y + 3);
    context.lineTo(x - 4, y + 3);
    context.fill();
  } else {
    context.strokeStyle = ink;
    context.lineWidth = 1.4;
    context.beginPath();
    context.moveTo(x - 3, y - 3);
    context.lineTo(x + 3, y + 3);
    context.moveTo(x + 3, y - 3);
    context.lineTo(x - 3, y + 3);
    context.stroke();
  }
}

function drawRing(scale, operation, y) {
  const { context } = scale;
  context.strokeStyle = colour("bad");
  context.lineWidth = 2;
  context.beginPath();
  context.arc(scale.x(operation.invoked), y, 6, 0, 7);
  context.stroke();
}

/** 100 ms, or as many of them as keep the number of bins within bounds. */
function binLength() {
  return 100_000 * Math.max(1, Math.ceil(endOfRun / 100_000 / BINS_MAX));
}

/** Operations by the time at which they ended, by outcome; what never returned counts where it began. */
function throughputBins() {
  const length = binLength();
  const bins = Array.from({ length: Math.ceil(endOfRun / length) + 1 }, () => ({ ok: 0, info: 0, fail: 0 }));
  for (const operation of operations) bins[Math.floor((operation.completed ?? operation.invoked) / length)][operation.outcome] += 1;
  return bins;
}

function drawThroughput() {
  const { context, width } = contextOf(byId("throughput-chart"), THROUGHPUT_HEIGHT);
  const scale = scaleOf(context, width, 0, endOfRun);
  const [top, bottom] = [18, THROUGHPUT_HEIGHT - 22];
  for (const fault of firedFaults) drawBand(scale, fault, top, bottom - top);
  const bins = throughputBins();
  const most = Math.max(1, ...bins.map((bin) => bin.ok + bin.info + bin.fail));
  const length = binLength();
  bins.forEach((bin, index) => drawBin(scale, bin, index * length, length, { bottom, unit: (bottom - top) / most }));
  context.textAlign = "right";
  context.fillStyle = colour("muted");
  context.fillText("ops/s", scale.left - 8, top - 8);
  context.fillText(grouped(Math.round((most * 1e6) / length)), scale.left - 8, top + 7);
  context.fillText("0", scale.left - 8, bottom - 2);
  drawTimeTicks(scale, bottom);
}

function drawBin(scale, bin, start, length, { bottom, unit }) {
  const { context } = scale;
  const x = scale.x(start);
  const width = Math.max(1, Math.min(scale.x(start + length), scale.right) - x - 1);
  let y = bottom;
  for (const outcome of OUTCOMES.toSorted((left, right) => rankOutcome(left) - rankOutcome(right))) {
    const height = bin[outcome] * unit;
    if (height === 0) continue;
    y -= height;
    context.fillStyle = colour(outcome === "info" ? "info" : `${outcome}-line`);
    context.fillRect(x, y, width, height);
    if (outcome === "info") hatch(context, x, y, width, height, colour("info-line"), 4);
  }
}

function rankOutcome(outcome) {
  return ["ok", "info", "fail"].indexOf(outcome);
}

function showLatencyWords() {
  byId("latency-lead").textContent = `Latency by time of invocation, on a logarithmic scale; operations per second by time of return, per ${binLength() / 1000} ms.${firedFaults.length > 0 ? " Bands are faults." : ""} Click to move the timeline there.`;
  const dot = (outcome) => (picture) => picture.append(dotShape(outcome));
  const used = OUTCOMES.filter((outcome) => operations.some((operation) => operation.outcome === outcome));
  const entries = used.map((outcome) => legendEntry(outcomeWords(outcome), dot(outcome)));
  if (guilty) entries.push(legendEntry("what cannot be", (picture) => picture.append(svgElement("circle", { cx: 10, cy: 6, r: 4.5, fill: "none", stroke: "var(--bad)", "stroke-width": 2 }))));
  byId("latency-legend").replaceChildren(...entries);
}

function dotShape(outcome) {
  const shapes = { ok: "M8 4 h4 v4 h-4 z", info: "M10 2 l4 7 h-8 z", fail: "M7 3 l6 6 M13 3 l-6 6" };
  const drawn = outcome === "fail" ? { fill: "none", stroke: "var(--fail-line)", "stroke-width": 1.4 } : { fill: `var(--${outcome}-line)` };
  return svgElement("path", { d: shapes[outcome], ...drawn });
}
