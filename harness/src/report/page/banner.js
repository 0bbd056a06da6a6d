// The banner: the verdict, one sentence, the command that runs it again, and what was run.

function showBanner() {
  const words = verdictWords();
  byId("verdict-words").replaceChildren(...words);
  byId("headline").textContent = headline();
  document.title = `${report.meta.verdict}: ${report.meta.workload}${report.meta.seed ? `, seed ${report.meta.seed}` : ""} · Squall`;
  showGap();
  showReplay();
  byId("facts").replaceChildren(...facts().map(([name, value]) => element("div", "", [element("dt", "", name), element("dd", "", value)])));
  showColophon();
}

/** Capitals for our words only: a key in capitals would be another key. */
function verdictWords() {
  if (!violation) return [element("span", "caps", report.meta.verdict)];
  const kind = violation.kind === violation.check ? "violated" : `violated: ${violation.kind.replaceAll("-", " ")}`;
  const words = [element("span", "caps", `${violation.check} ${kind}`)];
  if (violation.key !== null) words.push(element("span", "caps", " on key "), element("span", "", violation.key));
  return words;
}

/** One sentence: what is wrong, or what was judged, or why nothing was. */
function headline() {
  if (violation) return sentence(violation.message);
  const counts = report.meta.counts;
  const judged = plural(counts.ok + counts.fail + counts.info, "operation");
  const reasons = report.meta.checks.filter((check) => check.reason !== null).map((check) => `${check.name}: ${check.reason}`);
  switch (report.meta.verdict) {
    case "valid": return `No violation in ${judged}, judged by ${plural(report.meta.checks.length, "check")}.`;
    case "unknown": return `Undecided: ${reasons.join("; ") || "a bound was reached first"}.`;
    case "vacuous": return `Nothing was shown: ${reasons.join("; ") || "too little happened to judge"}.`;
    default: return `A check failed in ${judged}.`;
  }
}

function sentence(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

/** The gap in real time, which a check of order alone does not know. */
function showGap() {
  const edge = violation?.edges.find((candidate) => candidate.kind === "real-time" && candidate.to === guilty?.id)
    ?? violation?.edges.find((candidate) => candidate.kind === "real-time");
  const gap = edge ? gapOf(edge) : null;
  if (gap === null) return;
  const [from, to] = [operations[edge.from], operations[edge.to]];
  byId("gap").textContent = `#${from.id} ${request(from)} (client ${from.client}) was acknowledged ${span(gap)} before #${to.id} ${request(to)} (client ${to.client}) began.`;
  byId("gap").hidden = false;
}

/** Microseconds from the end of an edge's first operation to the beginning of its second. */
function gapOf(edge) {
  const completed = operations[edge.from].completed;
  const gap = completed === null ? -1 : operations[edge.to].invoked - completed;
  return edge.kind === "real-time" && gap >= 0 ? gap : null;
}

function showReplay() {
  const command = report.meta.replay;
  if (command === null) return;
  byId("replay").hidden = false;
  byId("replay-command").textContent = command;
  byId("replay-copy").addEventListener("click", () => copyText(command));
}

/** A page opened from disk may lack the clipboard; then the command is selected for copying by hand. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    byId("replay-copied").textContent = "copied";
  } catch {
    getSelection().selectAllChildren(byId("replay-command"));
    byId("replay-copied").textContent = "selected: copy it with the keyboard";
  }
}

/** Name and value of what was run; what is not known is not listed. */
function facts() {
  const meta = report.meta;
  const { ok, fail, info } = meta.counts;
  const now = operations.length;
  const shrunk = meta.shrunk_from;
  const listed = [
    ["seed", meta.seed], ["mode", meta.mode], ["workload", meta.workload], ["nemesis", meta.nemesis],
    ["bugs", meta.bugs.length > 0 ? meta.bugs.join(", ") : null],
    ["operations", `${grouped(ok + fail + info)} (${grouped(ok)} ok, ${grouped(fail)} fail, ${grouped(info)} info)`],
    ["faults", firedFaults.length > 0 ? grouped(firedFaults.length) : null],
    ["messages", meta.messages === null ? null : grouped(meta.messages)],
    ["simulated", meta.simulated_us > 0 ? `${(meta.simulated_us / 1e6).toFixed(1)} s` : null],
    ["shrunk from", shrunk ? `${plural(shrunk.nodes, "node")}, ${plural(shrunk.clients, "client")}, ${plural(shrunk.operations, "operation")}, ${plural(shrunk.faults, "fault")}` : null],
    ["counterexample", counterexample.length > 0 ? `${counterexample.length} of ${plural(now, "operation")}` : null],
    ["violations", report.violations.length > 1 ? grouped(report.violations.length) : null],
    ["checks", meta.checks.map((check) => `${check.name} (${check.verdict})`).join(", ") || null],
  ];
  return listed.filter(([, value]) => value !== null);
}

/** What identifies the run to a machine; of no interest above. */
function showColophon() {
  const meta = report.meta;
  const parts = [
    `squall ${meta.version}, report schema ${meta.schema}`,
    meta.plan_digest && `plan ${meta.plan_digest}`,
    meta.trace_digest && `trace ${meta.trace_digest}`,
    "This file needs no network.",
  ];
  byId("colophon").textContent = parts.filter(Boolean).join(" · ");
}
