// The page's few tools: finding and making elements, colours by name, canvases as sharp as the screen.
// Text enters the page here and only as text.

const byId = (id) => document.getElementById(id);

/** An element with a class and a text or children. */
function element(name, className, content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  fill(made, content);
  return made;
}

function fill(parent, content) {
  if (content === undefined || content === null) return;
  if (Array.isArray(content)) parent.append(...content);
  else parent.append(content instanceof Node ? content : document.createTextNode(String(content)));
}

function svgElement(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A link to somewhere within the page that wraps like the words around it. */
function linkTo(text, action) {
  const made = element("a", "link", text);
  made.href = "#timeline";
  made.addEventListener("click", (event) => { event.preventDefault(); action(); });
  return made;
}

/** Colours as the style sheet says them, resolved for the theme; forgotten when the theme changes. */
const colours = new Map();
const probe = element("span");
probe.hidden = true;
document.body.append(probe);

function colour(name) {
  if (!colours.has(name)) {
    probe.style.color = `var(--${name})`;
    colours.set(name, getComputedStyle(probe).color);
  }
  return colours.get(name);
}

function familyColour(family) {
  if (family === "link") return colour("link-fault");
  return colour(FAMILIES.includes(family) ? family : "other");
}

/** A canvas's context, cleared, in CSS pixels, as sharp as the screen (or the printer) is. */
function contextOf(canvas, height) {
  const ratio = Math.min(3, window.devicePixelRatio || 1);
  const width = Math.max(200, Math.floor(canvas.getBoundingClientRect().width || canvas.parentElement.clientWidth));
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  context.textBaseline = "middle";
  return { context, width };
}

const FONT = '12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif';
const MONO = '11.5px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';

/** Width of the names left of a chart. */
function gutterOf(width) {
  return width < 560 ? 66 : 132;
}

/** Diagonal lines over a rectangle: what must be told apart without colour. */
function hatch(context, x, y, width, height, ink, spacing = 6, backwards = false) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = ink;
  context.lineWidth = 1;
  context.beginPath();
  // Lines hang on the page, not on the bar, so that they stand still while a bar is cut by the edge of the view.
  for (let at = Math.floor((x - height) / spacing) * spacing; at < x + width + height; at += spacing) {
    context.moveTo(at, backwards ? y : y + height);
    context.lineTo(at + height, backwards ? y + height : y);
  }
  context.stroke();
  context.restore();
}

/** Round steps for an axis: 1, 2 or 5 times a power of ten, so that there are about `count`. */
function tickStep(length, count) {
  const rough = Math.max(1, length / count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= rough);
  return factor * power;
}

/** A time on an axis whose ticks are `step` apart, with no more digits than these need. */
function tickText(microseconds, step) {
  if (step >= 100_000) return `${(microseconds / 1e6).toFixed(1)} s`;
  if (step >= 1000) return `${Math.round(microseconds / 1000)} ms`;
  if (step >= 100) return `${(microseconds / 1000).toFixed(1)} ms`;
  return `${(microseconds / 1000).toFixed(3)} ms`;
}

/** A legend's entry: a small drawing and words. */
function legendEntry(text, draw) {
  const picture = svgElement("svg", { width: 20, height: 12, "aria-hidden": "true" });
  draw(picture);
  return element("li", "", [picture, text]);
}

function legendBar(className) {
  return (picture) => picture.append(svgElement("rect", { class: `bar ${className}`, x: 1.5, y: 1.5, width: 17, height: 9, rx: 2 }));
}

function legendEdge(kind) {
  return (picture) => picture.append(
    svgElement("path", { class: `edge ${kind}`, d: "M1 6 H14" }),
    svgElement("path", { class: `head ${kind}`, d: "M20 6 l-7 -4 v8 z" }),
  );
}
