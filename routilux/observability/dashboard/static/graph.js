// The flow as layers of boxes: where each box goes, the SVG, and the numbers in it.
// Texts enter the page by textContent only.
const BOX = { width: 168, height: 62, along: 74, across: 18 };
const TRACK = 84;

function shorten(text, most) {
  return text.length > most ? text.slice(0, most - 1) + "\u2026" : text;
}

export function svg(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  for (const child of children) made.append(child);
  return made;
}

// Layers by the longest way from a source. Edges that lead back are found depth first,
// without recursion, and do not count.
function layersOf(count, edges) {
  const out = Array.from({ length: count }, () => []);
  const fed = new Array(count).fill(0);
  for (const [from, to] of edges) if (from !== to) { out[from].push(to); fed[to] += 1; }
  const mark = new Array(count).fill(0), order = [], back = new Set();
  const roots = [...Array(count).keys()].sort((a, b) => (fed[a] ? 1 : 0) - (fed[b] ? 1 : 0));
  for (const root of roots) {
    if (mark[root]) continue;
    const stack = [[root, 0]];
    mark[root] = 1;
    while (stack.length) {
      const top = stack[stack.length - 1], [node, at] = top;
      if (at === out[node].length) { mark[node] = 2; order.push(node); stack.pop(); continue; }
      top[1] += 1;
      const next = out[node][at];
      if (mark[next] === 1) back.add(node * count + next);
      else if (!mark[next]) { mark[next] = 1; stack.push([next, 0]); }
    }
  }
  const rank = new Array(count).fill(0);
  for (const node of order.reverse())
    for (const next of out[node])
      if (!back.has(node * count + next)) rank[next] = Math.max(rank[next], rank[node] + 1);
  const layers = [];
  for (let node = 0; node < count; node++) (layers[rank[node]] ||= []).push(node);
  return layers;
}

// Each layer in the order of its neighbours' places, a few times to and fro.
function arrange(count, edges, room) {
  const layers = layersOf(count, edges), near = Array.from({ length: count }, () => []);
  for (const [from, to] of edges) if (from !== to) { near[from].push(to); near[to].push(from); }
  const place = new Array(count).fill(0);
  const number = (layer) => layer.forEach((node, at) => { place[node] = (at + 0.5) / layer.length; });
  layers.forEach(number);
  for (let sweep = 0; sweep < 8; sweep++) {
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      const wish = new Map(layer.map((node) => [node, near[node].length
        ? near[node].reduce((sum, other) => sum + place[other], 0) / near[node].length : place[node]]));
      layer.sort((a, b) => wish.get(a) - wish.get(b) || a - b);
      number(layer);
    }
  }
  // A layer of very many is folded into columns, so that the picture stays in reach.
  const tall = Math.max(8, Math.ceil(Math.sqrt(count) * 1.3));
  const columns = [];
  for (const layer of layers)
    for (let at = 0; at < layer.length; at += tall) columns.push(layer.slice(at, at + tall));
  return fold(columns, count, room);
}

// The columns side by side; of a long flow in several lines, like text, if it can be
// drawn larger that way.
function fold(columns, count, room) {
  let best = null;
  for (let lines = 1; lines <= Math.min(8, columns.length); lines++) {
    const each = Math.ceil(columns.length / lines), spots = new Array(count), side = lines > 1 ? 50 : 20;
    let y = 20;
    for (let start = 0; start < columns.length; start += each) {
      const line = columns.slice(start, start + each), most = Math.max(...line.map((column) => column.length));
      line.forEach((column, x) => column.forEach((node, at) => {
        spots[node] = { x: side + x * (BOX.width + BOX.along), line: start,
          gutter: y + most * (BOX.height + BOX.across) + 2,
          y: y + (at + (most - column.length) / 2) * (BOX.height + BOX.across) };
      }));
      y += most * (BOX.height + BOX.across) + 34;
    }
    const laid = { spots, width: 2 * side + Math.min(each, columns.length) * (BOX.width + BOX.along) - BOX.along, height: y - 34 };
    laid.fits = Math.min(1, room.width / laid.width, room.height / laid.height);
    if (!best || laid.fits > best.fits * 1.05) best = laid;
  }
  return best || { spots: [], width: 40, height: 40 };
}

function curve(from, to) {
  const x1 = from.x + BOX.width, y1 = from.y + BOX.height / 2, x2 = to.x, y2 = to.y + BOX.height / 2;
  if (from.line < to.line) { // into a later line: along the gutter below its own
    const low = from.gutter;
    return { d: `M${x1},${y1} C${x1 + 40},${y1} ${x1 + 40},${low} ${x1},${low} L${x2},${low} C${x2 - 40},${low} ${x2 - 40},${y2} ${x2 - 4},${y2}`, x: (x1 + x2) / 2, y: low };
  }
  if (x2 > x1) {
    const half = (x2 - x1) / 2;
    return { d: `M${x1},${y1} C${x1 + half},${y1} ${x2 - half},${y2} ${x2 - 4},${y2}`, x: (x1 + x2) / 2, y: (y1 + y2) / 2 };
  }
  const low = Math.max(from.y, to.y) + BOX.height + 14; // it leads back: below the boxes
  return { d: `M${x1},${y1} C${x1 + 40},${low} ${x1 - 20},${low} ${(x1 + x2) / 2},${low} S${x2 - 40},${low} ${x2 - 4},${y2}`,
    x: (x1 + x2) / 2, y: low };
}

export class Graph {
  constructor(root, choose) {
    this.root = root; this.choose = choose; this.key = ""; this.zoom = null;
  }

  // Draws the flow of a worker; again only if its shape is another.
  draw(worker) {
    const key = JSON.stringify([worker.id, worker.routines.map((r) => r.id), worker.edges.map((e) => e.slice(0, 4))]);
    if (key === this.key) return;
    this.key = key; this.zoom = null;
    const index = new Map(worker.routines.map((row, at) => [row.id, at]));
    const pairs = new Map();
    worker.edges.forEach((edge, at) => {
      const pair = `${index.get(edge[0])} ${index.get(edge[2])}`;
      if (!pairs.has(pair)) pairs.set(pair, []);
      pairs.get(pair).push(at);
    });
    const edges = [...pairs.keys()].map((pair) => pair.split(" ").map(Number));
    const room = { width: Math.max(300, this.root.clientWidth), height: Math.max(200, this.root.clientHeight) };
    const laid = arrange(worker.routines.length, edges, room);
    this.size = laid;
    this.drawing = svg("svg", { viewBox: `0 0 ${laid.width} ${laid.height}`, role: "group" },
      svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 5, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
        svg("path", { d: "M0,0 L8,4 L0,8 z" }))));
    this.edges = [...pairs.values()].map((members, at) => {
      const line = curve(laid.spots[edges[at][0]], laid.spots[edges[at][1]]);
      const path = svg("path", { class: "edge", d: line.d, "marker-end": "url(#arrow)" }, svg("title"));
      path.firstChild.textContent = members.map((m) => { const e = worker.edges[m]; return `${e[0]}.${e[1]} \u2192 ${e[2]}.${e[3]}`; }).join("\n");
      const rate = svg("text", { class: "rate", x: line.x, y: line.y - 4 });
      this.drawing.append(path, rate);
      return { members, path, rate };
    });
    this.nodes = worker.routines.map((row, at) => this.node(row, laid.spots[at]));
    this.root.replaceChildren(this.drawing);
    this.scale();
  }

  node(row, spot) {
    const part = (name, attributes) => svg(name, attributes);
    const made = {
      box: part("rect", { class: "box", width: BOX.width, height: BOX.height, rx: 8 }),
      heat: part("rect", { class: "heat", width: BOX.width, height: BOX.height, rx: 8, opacity: 0 }),
      name: part("text", { class: "name", x: 10, y: 19 }), left: part("text", { class: "small", x: 10, y: 36 }),
      right: part("text", { class: "small", x: BOX.width - 10, y: 36, "text-anchor": "end" }),
      fails: part("text", { class: "fails", x: BOX.width - 10, y: 53, "text-anchor": "end" }),
      track: part("rect", { class: "track", x: 10, y: 46, width: TRACK, height: 6, rx: 3 }),
      level: part("rect", { class: "level", x: 10, y: 46, width: 0, height: 6, rx: 3 }), title: part("title"),
    };
    made.name.textContent = shorten(row.id, 22);
    made.group = svg("g", { class: "node", transform: `translate(${spot.x},${spot.y})`, tabindex: 0, role: "button" },
      made.title, made.box, made.heat, made.name, made.fails, made.left, made.right, made.track, made.level);
    made.group.dataset.routine = row.id;
    made.group.setAttribute("aria-label", row.id);
    made.group.addEventListener("click", () => this.choose(row.id));
    made.group.addEventListener("keydown", (event) => { if (event.key === "Enter") this.choose(row.id); });
    this.drawing.append(made.group);
    return made;
  }

  // Puts numbers in; `before` is the same worker a while ago, or null.
  update(worker, before, seconds, chosen, path) {
    worker.routines.forEach((row, at) => {
      const node = this.nodes[at], was = before && before.routines[at];
      const rate = was ? Math.max(0, row.arrived - was.arrived) / seconds : 0;
      const ran = was ? row.activations - was.activations : 0;
      node.left.textContent = `${count(row.depth)} queued`;
      node.right.textContent = `${count(rate)}/s`;
      node.fails.textContent = row.failures ? `${count(row.failures)} failed` : "";
      node.heat.setAttribute("opacity", (0.55 * row.share).toFixed(3));
      const full = row.capacity ? Math.min(1, row.depth / row.capacity) : 0;
      node.level.setAttribute("width", (full * TRACK).toFixed(1));
      node.level.classList.toggle("full", full > 0.8);
      node.title.textContent = `${row.id}\n${row.arrived} items arrived, ${row.activations} activations (${ran} in the last moment), ${row.running} running`;
      node.group.classList.toggle("chosen", row.id === chosen);
      node.group.classList.toggle("path", path.has(row.id));
      node.group.classList.toggle("failing", Boolean(was) && row.failures > was.failures);
    });
    for (const edge of this.edges) {
      const sum = (of) => edge.members.reduce((total, at) => total + of.edges[at][4], 0);
      const rate = before ? Math.max(0, sum(worker) - sum(before)) / seconds : 0;
      edge.rate.textContent = rate ? `${count(rate)}/s` : "";
      edge.path.classList.toggle("moving", rate > 0);
    }
  }

  // null: fits, but no larger than life and not too small to read.
  scale(factor) {
    if (!this.size) return;
    const room = this.root.clientWidth - 4, tall = this.root.clientHeight - 4;
    const fit = Math.min(1, room / this.size.width, tall / this.size.height);
    if (factor !== undefined) this.zoom = factor === null ? fit : Math.min(3, Math.max(0.1, (this.zoom ?? this.shown) * factor));
    this.shown = this.zoom ?? Math.max(fit, 0.5);
    this.drawing.setAttribute("width", Math.round(this.size.width * this.shown));
    this.drawing.setAttribute("height", Math.round(this.size.height * this.shown));
  }
}

export function count(n) {
  if (n >= 1e6) return (n / 1e6).toFixed(1) + "M";
  if (n >= 1e4) return (n / 1e3).toFixed(0) + "k";
  if (n >= 10 || Number.isInteger(n)) return String(Math.round(n));
  return n.toFixed(1);
}
