// The live page: listens to the states that the server sends, and asks for details.
// Texts enter the page by textContent only, so a name is never markup.
import { Graph, count, svg } from "./graph.js";

const at = (id) => document.getElementById(id);
const secret = document.querySelector("meta[name=routilux-secret]").content;
const chosen = { worker: null, routine: null, job: null, path: new Set() };
let now = null, before = null;
const graph = new Graph(at("canvas"), (id) => { choose({ routine: id, job: null }); });

function make(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function span(seconds) {
  if (seconds === 0) return "0";
  if (seconds < 1e-3) return `${(seconds * 1e6).toPrecision(3)} \u00b5s`;
  if (seconds < 1) return `${(seconds * 1e3).toPrecision(3)} ms`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

function listen() {
  const source = new EventSource("/events");
  source.onopen = () => { at("link").textContent = "live"; at("link").className = ""; };
  source.onerror = () => { at("link").textContent = "the runtime does not answer"; at("link").className = "off"; };
  source.onmessage = (event) => {
    before = now; now = JSON.parse(event.data);
    show();
  };
}

function workerIn(state) {
  return state && state.workers.find((worker) => worker.id === chosen.worker);
}

function show() {
  const jobs = now.jobs, facts = [["Unfinished", jobs.pending + jobs.running], ["Completed", jobs.completed],
    ["Failed", jobs.failed, jobs.failed > 0], ["Cancelled", jobs.cancelled], ["Threads", `${now.busy} of ${now.pool}`],
    ["Waits for room", now.waits], ["Up", span(now.uptime)]];
  at("totals").replaceChildren(...facts.map(([name, value, bad]) => make("div", { class: bad ? "bad" : "" },
    make("dt", {}, name), make("dd", {}, typeof value === "number" ? count(value) : value))));
  options();
  const worker = workerIn(now), was = workerIn(before);
  for (const id of ["pause", "resume", "flush"]) at(id).disabled = !worker;
  if (worker) {
    graph.draw(worker);
    const same = was && was.routines.length === worker.routines.length && was.edges.length === worker.edges.length;
    graph.update(worker, same ? was : null, before ? Math.max(0.001, now.at - before.at) : 1, chosen.routine, chosen.path);
    at("status").textContent = worker.status; at("status").className = worker.status;
    at("pause").disabled = worker.status === "paused"; at("resume").disabled = worker.status !== "paused";
  } else {
    at("canvas").replaceChildren(); graph.key = ""; at("status").textContent = "no worker runs";
  }
  list("failed", now.failed); list("live", now.live);
  at("held").replaceChildren(...now.held.map((text) => make("li", {}, text)));
  at("held").parentElement.hidden = now.held.length === 0;
  if (chosen.routine || chosen.job) detail();
}

function options() {
  const known = [...at("worker").options].map((option) => option.value);
  const ids = now.workers.map((worker) => worker.id);
  if (JSON.stringify(known) !== JSON.stringify(ids)) {
    at("worker").replaceChildren(...now.workers.map((worker) => make("option", { value: worker.id }, `${worker.flow} (${worker.id})`)));
  }
  if (!ids.includes(chosen.worker)) chosen.worker = ids.length ? ids[ids.length - 1] : null;
  at("worker").value = chosen.worker ?? "";
}

function list(id, jobs) {
  const old = at(id), focused = document.activeElement && document.activeElement.dataset.job;
  old.replaceChildren(...jobs.map((job) => {
    const button = make("button", { type: "button", onclick: () => choose({ job: job.job, routine: null }) },
      make("span", { class: "id" }, job.job), make("span", { class: "age" }, `${job.status} ${span(job.seconds)}`),
      job.error ? make("span", { class: "why" }, `${job.routine ? job.routine + ": " : ""}${job.error}`) : null);
    button.dataset.job = job.job;
    return make("li", {}, button);
  }));
  if (focused && old.contains(document.activeElement) === false) {
    const again = [...old.querySelectorAll("button")].find((button) => button.dataset.job === focused);
    if (again) again.focus();
  }
}

function choose(what) {
  Object.assign(chosen, what);
  chosen.path = new Set();
  at("said").textContent = "";
  detail(true);
}

let asked = 0;
async function detail(fresh) {
  const number = ++asked;
  const url = chosen.job !== null ? `/job?job=${encodeURIComponent(chosen.job)}`
    : `/routine?worker=${encodeURIComponent(chosen.worker)}&routine=${encodeURIComponent(chosen.routine)}`;
  const answer = await fetch(url).catch(() => null);
  if (!answer || number !== asked) return;
  if (!answer.ok) {
    if (fresh) { at("said").textContent = await answer.text(); close(); }
    return;
  }
  const found = await answer.json();
  if (number !== asked) return;
  const open = new Set([...at("detail").querySelectorAll("details[open]")].map((one) => one.dataset.key));
  at("detail").replaceChildren(...(chosen.job !== null ? jobParts(found) : routineParts(found)));
  for (const one of at("detail").querySelectorAll("details")) if (open.has(one.dataset.key)) one.open = true;
  if (fresh) at("detail").scrollIntoView({ block: "nearest" });
  if (fresh && now) show();
}

function close() {
  chosen.routine = chosen.job = null; chosen.path = new Set();
  at("detail").replaceChildren();
  if (now) show();
}

function top(title, ...more) {
  return make("div", { class: "top" }, make("h3", {}, title), ...more, make("button", { type: "button", "aria-label": "Close", onclick: close }, "\u00d7"));
}

function jobParts(job) {
  chosen.path = new Set(job.path.map((step) => step.routine));
  const over = ["completed", "failed", "cancelled"].includes(job.status);
  return [top(job.job, over ? null : make("button", { type: "button", id: "cancel", onclick: () => act("cancel", job.job) }, "Cancel")),
    make("pre", { class: "explain" }, job.explain),
    job.traceback ? make("h2", {}, "Traceback") : null, job.traceback ? make("pre", { class: "traceback" }, job.traceback) : null,
    make("h2", {}, "Path"), job.path.length ? make("ol", {}, ...steps(job.path))
      : make("p", { class: "faint" }, "nothing was recorded: enable_monitoring keeps the way of a job")].filter(Boolean);
}

function steps(path) {
  const rows = [];
  for (const step of path) {
    const last = rows[rows.length - 1];
    if (last && last.routine === step.routine && last.what === step.what) last.times += 1;
    else rows.push({ ...step, times: 1 });
  }
  return rows.map((row) => make("li", {}, `${row.routine ?? "?"} (${row.what})${row.times > 1 ? ` \u00d7 ${row.times}` : ""}`));
}

function routineParts(row) {
  const times = row.times, parts = [top(row.id),
    make("p", { class: "faint" }, `${row.class} in flow ${row.flow}`),
    ...row.lines.map((line) => make("p", {}, line)),
    make("h2", {}, "Time in logic")];
  parts.push(times.count ? histogram(times.buckets) : make("p", { class: "faint" }, "not measured: enable_monitoring=True measures it"));
  if (times.count) parts.push(make("p", {}, `p50 ${span(times.p50)}, p95 ${span(times.p95)}, p99 ${span(times.p99)}, ${count(times.count)} activations`));
  parts.push(make("h2", {}, "Slots"), make("table", {}, make("thead", {}, cells("th", ["Slot", "Now", "Peak", "Most", "In", "Dropped", "Wait p95"])),
    make("tbody", {}, ...row.slots.map((slot) => cells("td", [slot.name, slot.depth, slot.peak, slot.capacity, count(slot.items_in), slot.dropped,
      slot.wait.count ? span(slot.wait.p95) : "\u2013"])))));
  for (const slot of row.slots) if (slot.items.length) {
    parts.push(fold(`items ${slot.name}`, `Oldest items in ${slot.name}`, make("pre", { class: "items" }, slot.items.join("\n"))));
  }
  parts.push(make("h2", {}, "Last errors"));
  if (!row.errors.length) parts.push(make("p", { class: "faint" }, "none"));
  for (const error of row.errors.slice(0, 10)) parts.push(fold(error.job, `${error.job}: ${error.error}`, make("pre", { class: "traceback" }, error.traceback)));
  return parts;
}

function fold(key, title, ...content) {
  const made = make("details", {}, make("summary", {}, title), ...content);
  made.dataset.key = key;
  return made;
}

function cells(kind, values) {
  return make("tr", {}, ...values.map((value) => make(kind, {}, String(value))));
}

function histogram(buckets) {
  const most = Math.max(...buckets.map((bucket) => bucket[1])), width = 360 / buckets.length;
  const made = svg("svg", { class: "histogram", viewBox: "0 0 360 90", role: "img", "aria-label": "Histogram of the time in logic" });
  buckets.forEach(([bound, number], i) => {
    const tall = Math.max(number ? 1 : 0, 68 * number / most);
    const bar = svg("rect", { x: i * width + 1, y: 72 - tall, width: Math.max(1, width - 2), height: tall }, svg("title"));
    bar.firstChild.textContent = `${number} of at most ${bound === null ? "more" : span(bound)}`;
    made.append(bar);
  });
  for (const i of new Set([0, Math.floor(buckets.length / 2), buckets.length - 1])) {
    const label = svg("text", { x: Math.min(340, Math.max(18, (i + 0.5) * width)), y: 86, "text-anchor": "middle" });
    label.textContent = buckets[i][0] === null ? "more" : span(buckets[i][0]);
    made.append(label);
  }
  return made;
}

async function act(action, target) {
  const answer = await fetch("/action", { method: "POST", headers: { "Content-Type": "application/json", "X-Routilux-Secret": secret },
    body: JSON.stringify({ action, target }) }).catch(() => null);
  if (!answer) at("said").textContent = "the runtime does not answer";
  else at("said").textContent = answer.ok ? (await answer.json()).done : await answer.text();
  if (chosen.job !== null) detail();
}

at("worker").addEventListener("change", () => { chosen.worker = at("worker").value; close(); });
at("pause").addEventListener("click", () => act("pause", chosen.worker));
at("resume").addEventListener("click", () => act("resume", chosen.worker));
at("flush").addEventListener("click", () => { const worker = workerIn(now); if (worker) act("flush", worker.flow); });
at("smaller").addEventListener("click", () => graph.scale(1 / 1.25));
at("larger").addEventListener("click", () => graph.scale(1.25));
at("fit").addEventListener("click", () => graph.scale(null));
at("find").addEventListener("submit", (event) => { event.preventDefault(); if (at("job").value) choose({ job: at("job").value.trim(), routine: null }); });
window.addEventListener("resize", () => graph.scale());
listen();
