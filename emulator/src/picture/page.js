"use strict";
// Draws the samples in the element #data. Everything is redrawn from the data and `view`; there is
// no other state than the view, the axis and the cursor.

const root = document.documentElement;
function trouble(text) {
  root.dataset.error = text;
  const box = document.getElementById("trouble");
  box.hidden = false;
  box.textContent = text;
}
window.addEventListener("error", (event) => trouble(`this page failed: ${event.message}`));

const $ = (id) => document.getElementById(id);
const run = JSON.parse($("data").textContent);
const count = run.time.length;
const color = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

// ---- numbers for people ----
const whole = (n) => Math.round(n).toLocaleString("en").replace(/,/g, "\u202f");
function duration(ns) {
  if (ns >= 1e9) return `${+(ns / 1e9).toFixed(6)} s`;
  if (ns >= 1e6) return `${+(ns / 1e6).toFixed(6)} ms`;
  if (ns >= 1e3) return `${+(ns / 1e3).toFixed(3)} µs`;
  return `${Math.round(ns)} ns`;
}
function short(n) {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]])
    if (n >= size) return `${+(n / size).toFixed(n >= 100 * size ? 0 : 2)}${unit}`;
  return `${Math.round(n)}`;
}
const place = (at) => at[2] || at[3] ? `${at[1]}:${at[2]}:${at[3]}` : `${at[1]}`;

// ---- the axis: virtual nanoseconds or steps ----
const axes = {
  time: { of: (at) => at[0], ends: run.time, from: run.from[0], show: duration },
  steps: { of: (at) => at[1], ends: run.steps, from: run.from[1], show: (n) => whole(n) },
};
let axis = "time";
let view = [0, 1];
let cursor = null; // axis value under the mouse
let pinned = null; // axis value of the last click
const A = () => axes[axis];
const limits = () => [A().from, Math.max(A().from + 1, A().ends[count - 1])];
const begin = (i) => (i ? A().ends[i - 1] : A().from);
// The first sample that ends behind `value`.
function sampleAt(value) {
  const ends = A().ends;
  let low = 0, high = count - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle] <= value) low = middle + 1; else high = middle;
  }
  return low;
}
// The same moment on the other axis.
function convert(value, to) {
  const i = sampleAt(value), from = begin(i), span = A().ends[i] - from || 1;
  const part = Math.min(1, Math.max(0, (value - from) / span));
  const other = axes[to], start = i ? other.ends[i - 1] : other.from;
  return start + part * (other.ends[i] - start);
}

// ---- lanes ----
const modeNames = { user: "user", supervisor: "supervisor", machine: "machine" };
const modeColor = (mode) => color(modeNames[run.modes[mode]] || "other");
const lanes = [{ kind: "ruler", name: "", about: "", height: 30 }];
run.harts.forEach((hart, number) => {
  lanes.push({ kind: "hart", name: `hart${number}`, about: "running, by mode", height: 64, hart });
  lanes.push({ kind: "bars", name: "traps", about: `of hart${number}`, height: 38,
    series: [["interrupt", hart.interrupts, "interrupts"], ["exception", hart.exceptions, "exceptions"]] });
});
const busy = (device) => [device.reads, device.writes, device.events].some((column) => column.some((n) => n));
for (const device of run.devices.filter(busy))
  lanes.push({ kind: "bars", name: device.path, about: device.model, height: 36,
    series: [["read", device.reads, "reads"], ["write", device.writes, "writes"], ["event", device.events, "events and timers"]] });
const quiet = run.devices.filter((device) => !busy(device)).map((device) => device.path);
if (quiet.length)
  lanes.push({ kind: "quiet", name: `${quiet.length} quiet`, about: "never touched", height: 36, text: quiet.join("  ") });
lanes.push({ kind: "marks", name: "events", about: "what came from outside", height: 34 });
lanes.push({ kind: "checkpoints", name: "checkpoints", about: `${run.checkpoints.length} in the file`, height: 36 });
lanes.push({ kind: "console", name: "console", about: "what was printed", height: 96 });

const OVERVIEW = 46;
function buildLabels() {
  const labels = $("labels");
  const add = (name, about, height) => {
    const div = document.createElement("div");
    div.style.height = `${height}px`;
    const b = document.createElement("b");
    b.textContent = name;
    b.title = name;
    const small = document.createElement("small");
    small.textContent = about;
    div.append(b, small);
    labels.append(div);
  };
  add("whole run", "drag the window", OVERVIEW + 1);
  for (const lane of lanes) {
    if (lane.kind === "ruler") add("", "", lane.height);
    else add(lane.name, lane.about, lane.height);
  }
}

function context(canvas, height) {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth || 1000;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return [ctx, width];
}

// Sums samples into columns of one pixel, or leaves them as wide as they are: calls
// draw(x, width, sum) with sum(column) of each stretch.
function stretches(range, width, draw) {
  const [low, high] = range, scale = width / (high - low);
  let first = sampleAt(low), x = null, from = 0, until = 0;
  // Whole pixels: neighbours that share one would shimmer.
  const flush = () => {
    if (x !== null) draw(Math.floor(x), Math.max(1, Math.floor(until) - Math.floor(x)), from, last);
  };
  let last = first;
  for (let i = first; i < count && begin(i) <= high; i++) {
    const x0 = (begin(i) - low) * scale, x1 = (A().ends[i] - low) * scale;
    if (x !== null && x1 - x <= 1) { last = i; until = x1; continue; }
    flush();
    x = x0; until = x1; from = i; last = i;
  }
  flush();
}
function sum(column, from, last) {
  let total = 0;
  for (let i = from; i <= last; i++) total += column[i];
  return total;
}
// Share of an interval during which a hart ran, by mode.
function shares(hart, from, last) {
  const found = run.modes.map(() => 0);
  for (let i = from; i <= last; i++) found[hart.mode[i]] += hart.steps[i];
  const span = axis === "time"
    ? (A().ends[last] - begin(from)) * 1000 / run.step_ps
    : run.steps[last] - (from ? run.steps[from - 1] : run.from[1]);
  return found.map((steps) => steps / Math.max(1, span));
}

const SHOWN = (share) => Math.sqrt(Math.min(1, share));
function drawHart(ctx, range, width, top, height, hart) {
  ctx.fillStyle = color("waiting");
  ctx.fillRect(0, top + height - 1, width, 1);
  const colors = run.modes.map((_, mode) => modeColor(mode));
  stretches(range, width, (x, w, from, last) => {
    const parts = shares(hart, from, last), all = parts.reduce((a, b) => a + b, 0);
    if (!all) return;
    const tall = Math.max(2, SHOWN(all) * height);
    let y = top + height;
    parts.forEach((part, mode) => {
      const h = tall * part / all;
      ctx.fillStyle = colors[mode];
      ctx.fillRect(x, y - h, w, h);
      y -= h;
    });
  });
}

function drawBars(ctx, range, width, top, height, series) {
  const cells = [];
  let most = 0;
  stretches(range, width, (x, w, from, last) => {
    const values = series.map(([, column]) => sum(column, from, last));
    const all = values.reduce((a, b) => a + b, 0);
    if (!all) return;
    most = Math.max(most, all / w);
    cells.push([x, w, values, all]);
  });
  const full = Math.log1p(most);
  for (const [x, w, values, all] of cells) {
    const tall = Math.max(3, Math.log1p(all / w) / full * (height - 8));
    let y = top + height - 1;
    values.forEach((value, i) => {
      const h = tall * value / all;
      ctx.fillStyle = color(series[i][0]);
      ctx.fillRect(x, y - h, w, h);
      y -= h;
    });
  }
}

const kindColor = (mark) =>
  mark.kind.startsWith("serial") ? color("user")
    : mark.kind === "recording.end" || mark.kind === "cut" ? color("ink")
      : mark.kind === "mark" ? color("accent")
        : mark.event != null ? color("machine") : color("exception");

function diamond(ctx, x, y, r) {
  ctx.beginPath();
  ctx.moveTo(x, y - r); ctx.lineTo(x + r, y); ctx.lineTo(x, y + r); ctx.lineTo(x - r, y);
  ctx.fill();
}

const SMALL = "11.5px ui-monospace, 'DejaVu Sans Mono', monospace";
function drawMarks(ctx, X, width, top, height) {
  ctx.font = SMALL;
  ctx.textBaseline = "middle";
  let free = -1;
  for (const mark of run.marks) {
    const x = X(A().of(mark.at));
    if (x < -40 || x > width + 8) continue;
    ctx.fillStyle = kindColor(mark);
    if (mark.event == null && mark.kind.startsWith("digest")) {
      ctx.fillRect(x, top + height - 7, 1, 6);
      continue;
    }
    if (mark.kind === "recording.end" || mark.kind === "cut") ctx.fillRect(x - 1, top + 3, 2, height - 6);
    else diamond(ctx, x, top + height / 2, 5.5);
    if (mark.kind === "clock.base" || mark.kind === "seed") continue;
    const text = mark.kind === "serial.input" || mark.kind === "mark" ? mark.content
      : mark.kind === "recording.end" ? `end: ${mark.content}` : mark.kind;
    const wide = ctx.measureText(text).width;
    const right = x + 9 + wide <= width, left = right ? x + 9 : x - 9 - wide;
    if (left > free && left > 0) {
      ctx.fillText(text, left, top + height / 2 + .5);
      free = left + wide + 8;
    }
  }
}

function drawQuiet(ctx, width, top, height, text) {
  ctx.font = SMALL;
  ctx.textBaseline = "middle";
  ctx.fillStyle = color("quiet");
  ctx.fillText(text, 8, top + height / 2, width - 16);
}

function drawCheckpoints(ctx, X, width, top, height) {
  ctx.fillStyle = color("checkpoint");
  for (const at of run.checkpoints) {
    const x = X(A().of(at));
    if (x < -8 || x > width + 8) continue;
    ctx.fillRect(x - .5, top + 4, 1.5, height - 8);
    ctx.beginPath();
    ctx.moveTo(x, top + 4); ctx.lineTo(x + 9, top + 8); ctx.lineTo(x, top + 12);
    ctx.fill();
  }
}

function drawConsole(ctx, X, width, top, height) {
  ctx.font = SMALL;
  ctx.textBaseline = "middle";
  const row = 16, rows = Math.floor((height - 10) / row), free = Array(rows).fill(-1e9);
  for (const [from, to, text] of run.console) {
    const x0 = X(A().of(from)), x1 = X(A().of(to));
    if (x1 < -600 || x0 > width) continue;
    ctx.fillStyle = color("other");
    ctx.fillRect(x0, top + height - 5, Math.max(1, x1 - x0), 3);
    if (!text.trim() || x0 < -600) continue;
    const wide = ctx.measureText(text).width;
    const line = free.findIndex((edge) => edge < x0);
    if (line < 0) continue;
    // At the right edge the text stands before its mark.
    const x = x0 + 4 + wide > width && free[line] < x0 - wide - 8 ? x0 - wide - 8 : Math.max(x0, Math.min(4, x1));
    ctx.fillStyle = color("quiet");
    ctx.fillRect(x0, top + 4 + line * row + 3, 1, row - 6);
    ctx.fillStyle = color("ink");
    ctx.fillText(text, x + 4, top + 4 + line * row + row / 2);
    free[line] = x + wide + 14;
  }
}

function ticks([low, high], width) {
  const most = Math.max(2, width / 130), raw = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw);
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high; n++) found.push(n * step);
  return found;
}

function draw() {
  const height = lanes.reduce((all, lane) => all + lane.height, 0);
  const [ctx, width] = context($("lanes"), height);
  const [low, high] = view, X = (value) => (value - low) / (high - low) * width;
  let top = 0;
  for (const at of ticks(view, width)) {
    const x = X(at);
    ctx.fillStyle = color("grid");
    ctx.fillRect(x, 22, 1, height);
    ctx.fillStyle = color("quiet");
    ctx.font = "11.5px system-ui, sans-serif";
    ctx.textBaseline = "middle";
    const text = axis === "time" ? duration(at) : short(at);
    ctx.fillText(text, Math.min(x + 5, width - ctx.measureText(text).width - 4), 14);
    ctx.fillRect(x, 8, 1, 14);
  }
  for (const lane of lanes) {
    if (lane.kind === "hart") drawHart(ctx, view, width, top + 5, lane.height - 10, lane.hart);
    if (lane.kind === "bars") drawBars(ctx, view, width, top, lane.height, lane.series);
    if (lane.kind === "marks") drawMarks(ctx, X, width, top, lane.height);
    if (lane.kind === "quiet") drawQuiet(ctx, width, top, lane.height, lane.text);
    if (lane.kind === "checkpoints") drawCheckpoints(ctx, X, width, top, lane.height);
    if (lane.kind === "console") drawConsole(ctx, X, width, top, lane.height);
    top += lane.height;
    ctx.fillStyle = color("grid");
    ctx.fillRect(0, top - 1, width, 1);
  }
  for (const [value, name] of [[pinned, "ink"], [cursor, "accent"]]) {
    if (value === null || value < low || value > high) continue;
    ctx.fillStyle = color(name);
    ctx.fillRect(X(value), 22, 1, height);
  }
  drawOverview();
  const span = high - low;
  $("range").textContent = axis === "time"
    ? `${duration(low)} to ${duration(high)} (${duration(span)})`
    : `${whole(low)} to ${whole(high)} (${short(span)} instructions)`;
  for (const name of ["time", "steps"]) $(`axis-${name}`).setAttribute("aria-checked", axis === name);
}

function drawOverview() {
  const [ctx, width] = context($("overview"), OVERVIEW);
  const [low, high] = limits(), X = (value) => (value - low) / (high - low) * width;
  const each = (OVERVIEW - 12) / run.harts.length;
  run.harts.forEach((hart, n) => drawHart(ctx, [low, high], width, 6 + n * each, each - 1, hart));
  for (const mark of run.marks) {
    if (mark.event == null && mark.kind !== "mark") continue;
    ctx.fillStyle = kindColor(mark);
    diamond(ctx, X(A().of(mark.at)), 5, 3);
  }
  const x0 = X(view[0]), x1 = Math.max(x0 + 2, X(view[1]));
  ctx.fillStyle = color("window");
  ctx.fillRect(x0, 0, x1 - x0, OVERVIEW);
  ctx.strokeStyle = color("accent");
  ctx.strokeRect(x0 + .5, .5, x1 - x0 - 1, OVERVIEW - 1);
}

// ---- moving ----
let asked = false;
function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; draw(); });
}
function show(low, high) {
  const [first, last] = limits(), least = axis === "time" ? 100 : 20;
  const span = Math.min(Math.max(high - low, least), last - first);
  low = Math.min(Math.max(low, first), last - span);
  view = [low, low + span];
  redraw();
}
function zoom(factor, about) {
  const [low, high] = view, at = about ?? (low + high) / 2;
  show(at - (at - low) * factor, at + (high - at) * factor);
}
const move = (part) => show(view[0] + part * (view[1] - view[0]), view[1] + part * (view[1] - view[0]));
const fit = () => show(...limits());
function setAxis(name) {
  if (name === axis) return;
  const [low, high] = view.map((value) => convert(value, name));
  pinned = pinned === null ? null : convert(pinned, name);
  cursor = null;
  axis = name;
  show(low, high);
}
function goTo(at) {
  const value = A().of(at), [low, high] = view;
  pinned = value;
  if (value < low || value > high) show(value - (high - low) / 2, value + (high - low) / 2);
  follow(value);
  redraw();
}

// ---- what is under the cursor ----
function positionAt(value) {
  const i = sampleAt(value), from = begin(i), end = A().ends[i];
  const steps0 = i ? run.steps[i - 1] : run.from[1], idle0 = i ? run.idle[i - 1] : run.from[2];
  const steps = Math.floor(axis === "steps" ? value : convert(value, "steps"));
  // Exact where the interval is made of one of both, else the beginning of the interval.
  if (run.idle[i] === idle0) return `${steps}:${idle0}:0`;
  if (run.steps[i] === steps0 && axis === "time") return `${steps0}:${Math.floor(idle0 + value - from)}:0`;
  return `${steps0}:${idle0}:0`;
}
function nearest(list, of, value, reach) {
  let best = null, least = reach;
  for (const item of list) {
    const distance = Math.abs(of(item) - value);
    if (distance <= least) { least = distance; best = item; }
  }
  return best;
}
function rows(value, reach) {
  const i = sampleAt(value), found = [];
  const time = axis === "time" ? value : convert(value, "time");
  const steps = axis === "steps" ? value : convert(value, "steps");
  found.push(["virtual time", duration(time)], ["instruction", whole(steps)], ["position", positionAt(value)]);
  run.harts.forEach((hart, number) => {
    const share = shares(hart, i, i).reduce((a, b) => a + b, 0);
    const doing = hart.steps[i] ? `${run.modes[hart.mode[i]]}, ${+(100 * Math.min(1, share)).toPrecision(3)} % of the time` : "waiting";
    found.push([`hart${number}`, `${doing}; then pc 0x${hart.pc[i]}`]);
    if (hart.interrupts[i] + hart.exceptions[i])
      found.push(["traps", `${hart.interrupts[i]} interrupts, ${hart.exceptions[i]} exceptions`]);
  });
  for (const device of run.devices) {
    const [r, w, e] = [device.reads[i], device.writes[i], device.events[i]];
    if (r + w + e) found.push([device.path, `${r} reads, ${w} writes${e ? `, ${e} events` : ""}`]);
  }
  found.push(["sampled over", duration(run.time[i] - (i ? run.time[i - 1] : run.from[0]))]);
  const mark = nearest(run.marks, (mark) => A().of(mark.at), value, reach);
  if (mark) found.push([mark.event != null ? `event:${mark.event}` : mark.kind, `${mark.event != null ? `${mark.kind} ` : ""}${mark.content} at ${place(mark.at)}`]);
  const print = nearest(run.console.filter((print) => print[2].trim()), (print) => A().of(print[0]), value, reach);
  if (print) found.push(["printed", print[2]]);
  return found;
}
function tip(event, value) {
  const box = $("tip"), table = document.createElement("table");
  const reach = 6 * (view[1] - view[0]) / $("lanes").clientWidth;
  for (const [name, text] of rows(value, reach)) {
    const tr = table.insertRow(), th = document.createElement("th");
    th.textContent = name;
    tr.append(th);
    tr.insertCell().textContent = text;
  }
  box.replaceChildren(table);
  box.hidden = false;
  const stage = $("stage").getBoundingClientRect();
  const x = event.clientX - stage.left, y = event.clientY - stage.top;
  box.style.left = `${x + 18 + box.offsetWidth > stage.width ? Math.max(0, x - 18 - box.offsetWidth) : x + 18}px`;
  box.style.top = `${Math.max(4, Math.min(y + 14, stage.height - box.offsetHeight - 4))}px`;
}

// ---- panels ----
const spans = [];
function buildConsole() {
  const pre = $("console");
  for (const print of run.console) {
    const span = document.createElement("span");
    span.textContent = print[2] + (print[3] ? "\n" : "");
    span.addEventListener("click", () => goTo(print[0]));
    spans.push(span);
    pre.append(span);
  }
  if (run.console_left_out) pre.append(`\n[${whole(run.console_left_out)} more bytes]`);
  if (!run.console.length) pre.textContent = "nothing was printed";
}
const recordRows = [];
function buildRecords() {
  const table = document.createElement("table");
  const digests = run.marks.filter((mark) => mark.kind.startsWith("digest.")).length;
  $("digests").textContent = `and ${whole(digests)} digests`;
  for (const mark of run.marks) {
    if (mark.kind.startsWith("digest.")) continue;
    const tr = table.insertRow();
    const at = tr.insertCell(), kind = tr.insertCell(), what = tr.insertCell();
    at.className = "at";
    at.textContent = duration(mark.at[0]);
    const dot = document.createElement("i");
    dot.className = "dot";
    dot.style.background = kindColor(mark);
    kind.append(dot, mark.event != null ? `event:${mark.event}  ${mark.kind}` : mark.kind);
    what.textContent = `${mark.content} `;
    tr.title = `${place(mark.at)}  ${mark.content}`;
    tr.addEventListener("click", () => goTo(mark.at));
    recordRows.push([tr, mark]);
  }
  $("records").append(table);
}
// Shows in the panels how far the run has come at `value`.
function follow(value) {
  let here = -1;
  run.console.forEach((print, i) => {
    const before = A().of(print[0]) <= value;
    spans[i].className = before ? "" : "after";
    if (before) here = i;
  });
  const into = (box, item) => {
    if (item.offsetTop < box.scrollTop + box.offsetTop || item.offsetTop > box.scrollTop + box.offsetTop + box.clientHeight - 20)
      box.scrollTop = item.offsetTop - box.offsetTop - box.clientHeight / 2;
  };
  if (here >= 0) { spans[here].className = "here"; into($("console"), spans[here]); }
  let last = null;
  for (const [tr, mark] of recordRows) {
    tr.className = "";
    if (A().of(mark.at) <= value) last = tr;
  }
  if (last) { last.className = "here"; into($("records"), last); }
}

function buildHead() {
  $("title").textContent = run.file;
  $("subtitle").textContent = `${run.machine} · recording ${run.recording} · ${run.producer} · ${run.ending}`;
  const total = run.time[count - 1] - run.from[0], idle = run.idle[count - 1] - run.from[2];
  const all = (columns) => columns.reduce((n, column) => n + column.reduce((a, b) => a + b, 0), 0);
  const facts = [
    ["instructions", whole(run.steps[count - 1] - run.from[1])],
    ["virtual time", duration(total)],
    ["idle", `${Math.floor(1e4 * idle / Math.max(1, total)) / 100} %`],
    ["interrupts", whole(all(run.harts.map((hart) => hart.interrupts)))],
    ["device accesses", whole(all(run.devices.flatMap((device) => [device.reads, device.writes])))],
    ["inputs", whole(run.marks.filter((mark) => mark.event != null).length)],
    ["checkpoints", whole(run.checkpoints.length)],
  ];
  for (const [name, value] of facts) {
    const div = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name;
    dd.textContent = value;
    div.append(dt, dd);
    $("facts").append(div);
  }
  const entries = [...run.modes.map((name) => [name, modeNames[name] || "other"]),
    ["interrupts", "interrupt"], ["exceptions", "exception"], ["reads", "read"], ["writes", "write"], ["events", "event"]];
  for (const [name, key] of entries) {
    const li = document.createElement("li"), i = document.createElement("i");
    i.style.background = `var(--${key})`;
    li.append(i, name);
    $("legend").append(li);
  }
  if (run.divergence) trouble(`The replay left the recorded path, the picture ends there: ${run.divergence}`);
}

function listen() {
  const canvas = $("lanes");
  const value = (event, range = view) => {
    const box = event.currentTarget.getBoundingClientRect();
    return range[0] + (event.clientX - box.left) / box.width * (range[1] - range[0]);
  };
  let drag = null;
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) move(event.deltaX / canvas.clientWidth);
    else zoom(Math.exp(event.deltaY * .0015), value(event));
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, view: [...view], moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag && Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
    if (drag && drag.moved) {
      const by = (drag.x - event.clientX) / canvas.clientWidth * (drag.view[1] - drag.view[0]);
      show(drag.view[0] + by, drag.view[1] + by);
      $("tip").hidden = true;
      return;
    }
    cursor = value(event);
    tip(event, cursor);
    redraw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) { pinned = value(event); follow(pinned); redraw(); }
    drag = null;
  });
  canvas.addEventListener("pointerleave", () => { cursor = null; $("tip").hidden = true; redraw(); });
  canvas.addEventListener("dblclick", (event) => zoom(.25, value(event)));
  const overview = $("overview");
  const centre = (event) => {
    const at = value(event, limits()), half = (view[1] - view[0]) / 2;
    show(at - half, at + half);
  };
  overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); centre(event); });
  overview.addEventListener("pointermove", (event) => { if (event.buttons) centre(event); });
  $("in").addEventListener("click", () => zoom(.5));
  $("out").addEventListener("click", () => zoom(2));
  $("fit").addEventListener("click", fit);
  for (const name of ["time", "steps"]) $(`axis-${name}`).addEventListener("click", () => setAxis(name));
  window.addEventListener("keydown", (event) => {
    const keys = { "+": () => zoom(.5), "=": () => zoom(.5), "-": () => zoom(2), "0": fit,
      ArrowLeft: () => move(-.2), ArrowRight: () => move(.2),
      a: () => setAxis(axis === "time" ? "steps" : "time") };
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  window.addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

buildHead();
buildLabels();
buildConsole();
buildRecords();
listen();
view = limits();
draw();
root.dataset.ready = "yes";
