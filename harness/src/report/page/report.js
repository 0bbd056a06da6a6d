// Puts the page together: fills its parts, then listens to pointer, keys, theme, size and printer.
// The last file of the module; everything it uses is declared in the files before it.

function optionsOf(select, options) {
  select.replaceChildren(...options.map(([value, text]) => {
    const option = element("option", "", text);
    option.value = value;
    return option;
  }));
}

/** The filter's choices are what occurs, no more. A key is marked with `=`, since the empty choice means any. */
function setUpFilter() {
  const keys = [...new Set(operations.map((operation) => operation.key))].filter((key) => key !== null).sort();
  optionsOf(byId("filter-key"), [["", "all"], ...keys.map((key) => [`=${key}`, tail(key, 30)])]);
  byId("filter-key-label").hidden = keys.length === 0;
  const outcomes = OUTCOMES.filter((outcome) => operations.some((operation) => operation.outcome === outcome));
  const wrong = counterexample.length > 0 ? [["counterexample", "counterexample"]] : [];
  optionsOf(byId("filter-result"), [["", "any"], ...outcomes.map((outcome) => [outcome, outcome]), ...wrong]);
  for (const id of ["filter-key", "filter-result"]) byId(id).addEventListener("change", applyFilter);
  byId("filter-text").addEventListener("input", applyFilter);
}

function setUpButtons() {
  byId("view-violation").hidden = counterexample.length === 0;
  byId("view-violation").addEventListener("click", showViolation);
  byId("view-all").addEventListener("click", () => setView(0, endOfRun));
  byId("zoom-in").addEventListener("click", () => zoom(1 / 1.6));
  byId("zoom-out").addEventListener("click", () => zoom(1.6));
}

function showViolation() {
  setView(...violationView());
  if (guilty) choose(guilty.id);
}

/** Only what this run's timeline has. */
function showTimelineWords() {
  const named = [families.length > 0 && "faults", report.nodes.length > 0 && "nodes", "every operation"].filter(Boolean);
  const words = named.length > 1 ? `${named.slice(0, -1).join(", ")} and ${named.at(-1)} on one axis` : "Every operation";
  const key = (name) => element("kbd", "", name);
  const wrong = guilty ? [", ", key("v"), " violation"] : [];
  fill(byId("timeline-lead"), [
    `${words.charAt(0).toUpperCase()}${words.slice(1)}. Drag to pan, Ctrl+wheel to zoom; `, key("j"), " ", key("k"), " next and previous operation",
    ...wrong, ", ", key("0"), " whole run, ", key("+"), " ", key("-"), " zoom, ", key("/"), " search.",
  ]);
  byId("timeline-legend").replaceChildren(...timelineLegend());
}

function timelineLegend() {
  const used = OUTCOMES.filter((outcome) => operations.some((operation) => operation.outcome === outcome));
  const entries = used.map((outcome) => legendEntry(outcomeWords(outcome), legendBar(outcome)));
  const rect = (attributes) => (picture) => picture.append(svgElement("rect", { y: 1, height: 10, ...attributes }));
  if (operations.some((operation) => operation.input !== "")) {
    entries.push(legendEntry("dark left edge: has an argument", rect({ x: 2, width: 4, fill: "var(--ok-line)" })));
  }
  if (guilty) entries.push(legendEntry("in the counterexample", rect({ x: 2, width: 16, fill: "none", stroke: "var(--bad)", "stroke-width": 2.5 })));
  for (const kind of Object.keys(DASHES)) {
    if (violation?.edges.some((edge) => edge.kind === kind)) entries.push(legendEntry(EDGE_WORDS[kind], legendEdge(kind)));
  }
  if (layout.nodes.some((lane) => lane.struck.length > 0)) {
    entries.push(legendEntry("node underlined: struck by a fault", rect({ x: 1, y: 8, width: 18, height: 3, fill: "var(--partition)" })));
  }
  if (layout.nodes.some((lane) => lane.marks.length > 0)) {
    entries.push(legendEntry("other node event", (picture) => picture.append(svgElement("path", { d: "M10 1 l5 5 l-5 5 l-5 -5 z", fill: "var(--muted)" }))));
  }
  if (report.faults.some((fault) => fault.withheld !== null)) {
    entries.push(legendEntry("fault withheld", rect({ x: 5, width: 8, fill: "none", stroke: "var(--muted)", "stroke-dasharray": "2 2" })));
  }
  return entries;
}

/** What lies under a point of the timeline: an operation, a fault, a node's event, or nothing. */
function hit(x, y) {
  if (mainScale === null || x < mainScale.left) return null;
  const slack = 3 * mainScale.perPixel;
  const time = mainScale.time(x);
  const lane = layout.clients.find((candidate) => y >= candidate.y && y < candidate.y + candidate.height);
  if (lane) {
    const near = visibleOf(lane, time - slack, time + slack);
    const distance = (operation) => Math.max(operation.invoked - time, time - barEnd(operation), 0) - (inCounterexample.has(operation.id) ? 1 : 0);
    const best = near.sort((left, right) => distance(left) - distance(right))[0];
    return best ? { operation: best } : null;
  }
  return hitFault(time, y, slack) ?? hitNode(time, y, slack);
}

function hitFault(time, y, slack) {
  const lane = layout.faults.find((candidate) => y >= candidate.y && y < candidate.y + candidate.height);
  if (!lane) return null;
  const row = lane.rows[Math.floor((y - lane.y) / LANES.fault)];
  const fault = row.find((candidate) => candidate.start_us - slack <= time && faultEnd(candidate) + slack >= time);
  return fault ? { fault } : null;
}

function hitNode(time, y, slack) {
  const lane = layout.nodes.find((candidate) => y >= candidate.y && y < candidate.y + candidate.height);
  if (!lane) return null;
  const mark = lane.marks.find((candidate) => Math.abs(candidate.at.time_us - time) <= 2 * slack);
  const stretch = lane.stretches.find((candidate) => candidate.start <= time && candidate.end >= time);
  const event = mark ?? stretch?.event;
  return event ? { event } : null;
}

function hitWords(found) {
  if (found.operation) return describe(found.operation);
  if (found.fault) return `${found.fault.description}\n${found.fault.withheld === null ? `${instant(found.fault.start_us)} to ${instant(faultEnd(found.fault))}` : `withheld: ${found.fault.withheld}`}`;
  const event = found.event;
  return [`${event.node}: ${event.kind}${event.ballot === null ? "" : ` ${event.ballot}`}, ${instant(event.at.time_us)}`, event.detail].filter(Boolean).join("\n");
}

function showTip(event, found) {
  const tip = byId("tip");
  tip.hidden = found === null;
  if (found === null) return;
  tip.textContent = hitWords(found);
  const card = tip.parentElement.getBoundingClientRect();
  const left = Math.min(event.clientX - card.left + 14, card.width - tip.offsetWidth - 6);
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${event.clientY - card.top + 18}px`;
}

function setUpPointer() {
  const canvas = byId("lanes");
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, start: state.start, end: state.end, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag === null) return showTip(event, hit(event.offsetX, event.offsetY));
    const by = (event.clientX - drag.x) * (mainScale?.perPixel ?? 0);
    if (Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
    if (drag.moved) setView(drag.start - by, drag.end - by);
  });
  canvas.addEventListener("pointerup", (event) => {
    const clicked = drag !== null && !drag.moved;
    drag = null;
    if (clicked) chooseHit(hit(event.offsetX, event.offsetY));
  });
  canvas.addEventListener("pointercancel", () => { drag = null; });
  canvas.addEventListener("pointerleave", () => { byId("tip").hidden = true; });
  canvas.addEventListener("wheel", wheel, { passive: false });
}

function chooseHit(found) {
  if (found?.operation) choose(found.operation.id);
  else if (found?.fault) showDetail(faultFields(found.fault));
  else if (found?.event) showDetail(eventFields(found.event));
}

/** A plain wheel scrolls the page; with Ctrl it zooms, sideways it pans. */
function wheel(event) {
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    zoom(Math.exp(event.deltaY * 0.003), mainScale.time(event.offsetX));
  } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    pan(event.deltaX / 800);
  }
}

/** The brush: a click centres the view, a drag chooses a new one. */
function setUpMinimap() {
  const canvas = byId("minimap");
  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    from = event.offsetX;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (from === null || Math.abs(event.offsetX - from) < 4) return;
    const [left, right] = [from, event.offsetX].sort((one, other) => one - other);
    setView(miniScale.time(left), miniScale.time(right));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (from !== null && Math.abs(event.offsetX - from) < 4) centreOn(miniScale.time(event.offsetX));
    from = null;
  });
  canvas.addEventListener("pointercancel", () => { from = null; });
}

function centreOn(time) {
  const half = (state.end - state.start) / 2;
  setView(time - half, time + half);
}

function setUpCharts() {
  for (const id of ["latency-chart", "throughput-chart"]) {
    byId(id).addEventListener("click", (event) => {
      const half = Math.min(endOfRun, Math.max(100_000, (state.end - state.start) / 2)) / 2;
      const time = chartScale.time(event.offsetX);
      setView(time - half, time + half);
      byId("timeline").scrollIntoView({ block: "start" });
    });
  }
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  v: () => { if (guilty) showViolation(); },
  0: () => setView(0, endOfRun),
  "+": () => zoom(1 / 1.6),
  "=": () => zoom(1 / 1.6),
  "-": () => zoom(1.6),
  "/": () => byId("filter-text").focus(),
};

function setUpKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest?.("input, select, textarea");
    if (typing) {
      if (event.key === "Escape") { clearFilter(); typing.blur(); }
      return;
    }
    const action = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
    if (action === null) return;
    event.preventDefault();
    action();
  });
  byId("list").addEventListener("keydown", listKey);
  byId("lanes").addEventListener("keydown", (event) => {
    const share = { ArrowLeft: -0.15, ArrowRight: 0.15 }[event.key];
    if (share === undefined) return;
    event.preventDefault();
    pan(share);
  });
}

/** The list's own keys, as every list box has them. */
function listKey(event) {
  const page = Math.floor(byId("list").clientHeight / ROW);
  const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -operations.length, End: operations.length }[event.key];
  if (by === undefined) return;
  event.preventDefault();
  step(by);
}

/** Everything that is drawn, drawn anew: another width, another theme, paper. */
function redrawAll() {
  colours.clear();
  if (operations.length > 0) {
    drawTimeline();
    drawCharts();
    drawRows();
  }
  if (violation && counterexample.length > 0) drawGraph(counterexample.slice(0, DRAWN_MAX));
}

function setTheme(theme) {
  if (theme === null) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  redrawAll();
}

function setUpTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  byId("theme").addEventListener("click", () => {
    const now = document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
    setTheme(now === "dark" ? "light" : "dark");
  });
  dark.addEventListener("change", redrawAll);
  let before = null;
  // Paper is light whatever the screen is.
  addEventListener("beforeprint", () => { before = document.documentElement.dataset.theme ?? null; setTheme("light"); });
  addEventListener("afterprint", () => setTheme(before));
}

function setUpSize() {
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    redrawAll();
  });
}

function setUpOperations() {
  showTimelineWords();
  showLatencyWords();
  setUpFilter();
  setUpButtons();
  setUpPointer();
  setUpMinimap();
  setUpCharts();
  setUpKeys();
  byId("list").addEventListener("scroll", drawRows, { passive: true });
  byId("detail").replaceChildren(element("p", "empty", "Choose an operation, a fault or a node's event in the timeline, or a row of the list."));
  [state.start, state.end] = violationView();
  state.start = Math.max(0, state.start);
  state.end = Math.min(endOfRun, state.end);
  applyFilter();
  if (guilty) choose(guilty.id);
}

function start() {
  showBanner();
  showStatistics();
  setUpTheme();
  setUpSize();
  if (operations.length > 0) setUpOperations();
  showWhy();
  if (operations.length > 0) {
    drawTimeline();
    drawCharts();
  }
  // For whoever measures or tests the page.
  performance.mark("ready");
  document.documentElement.dataset.ready = "yes";
}

start();
