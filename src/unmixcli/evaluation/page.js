"use strict";

const tracks = JSON.parse(document.getElementById("data").textContent);

function byId(id) {
  return document.getElementById(id);
}

/* The table of scores: a click on a heading sorts, another turns the order round. */

function keyOf(row, column) {
  const text = row.cells[column].dataset.value ?? row.cells[column].textContent;
  const number = Number(text);
  return text !== "" && Number.isFinite(number) ? number : text;
}

function compareKeys(one, other) {
  const empty = (one === "") - (other === "");
  if (empty) return empty;
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other));
}

function sortBy(heading) {
  const table = heading.closest("table");
  const column = heading.cellIndex;
  const down = heading.getAttribute("aria-sort") === "ascending";
  for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row, column), row]);
  rows.sort(([one], [other]) => {
    const order = compareKeys(one, other);
    /* What has no score stays at the end either way. */
    return one === "" || other === "" ? order : down ? -order : order;
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

function filterRows() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = { stem: byId("only-stem").value, method: byId("only-method").value };
  let shown = 0;
  for (const row of byId("scores").tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    const fits =
      words.every((word) => text.includes(word)) &&
      Object.entries(wanted).every(([key, value]) => !value || row.dataset[key] === value);
    row.hidden = !fits;
    shown += fits;
  }
  byId("shown").textContent = `${shown} rows`;
}

/* Score over time. */

const SIZE = { width: 900, height: 240, left: 44, right: 10, top: 10, bottom: 26 };
const NAMESPACE = "http://www.w3.org/2000/svg";
let view = null;

function drawn(kind, attributes, words) {
  const element = document.createElementNS(NAMESPACE, kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (words !== undefined) element.textContent = words;
  return element;
}

function roundStep(range, about) {
  const power = 10 ** Math.floor(Math.log10(range / about));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= range / about);
}

function fill(select, values, label = (value) => value) {
  const before = select.value;
  select.replaceChildren(...values.map((value) => new Option(label(value), value)));
  if (values.map(String).includes(before)) select.value = before;
}

function chosen() {
  const track = tracks[Number(byId("track").value)];
  return { track, stem: track?.stems.find((stem) => stem.name === byId("stem").value) };
}

function chooseTrack() {
  const { track } = chosen();
  fill(byId("stem"), track ? track.stems.map((stem) => stem.name) : []);
  byId("notes").textContent = track ? track.notes.join("; ") : "";
  listen();
  drawTime();
}

function drawTime() {
  const { stem } = chosen();
  const svg = byId("time");
  svg.replaceChildren();
  view = null;
  const measure = byId("measure").value;
  const methods = stem ? stem.methods : [];
  const all = methods.flatMap((method) => method.scores[measure] ?? []);
  const values = all.filter((value) => value !== null);
  if (!values.length) {
    const words = stem?.unscored || "no scores of frames";
    svg.append(drawn("text", { x: SIZE.left, y: 40 }, words));
    return;
  }
  const margin = 0.05 * (Math.max(...values) - Math.min(...values)) || 1;
  view = {
    low: Math.min(...values) - margin,
    high: Math.max(...values) + margin,
    end: Math.max(...methods.flatMap((method) => method.time.map((t) => t + method.duration))),
  };
  drawAxes(svg);
  methods.forEach((method) => drawMethod(svg, method, measure));
  svg.append(drawn("line", { class: "playhead", id: "playhead", y1: SIZE.top, y2: bottom() }));
  movePlayhead(0);
}

const bottom = () => SIZE.height - SIZE.bottom;
const xOf = (time) =>
  SIZE.left + ((SIZE.width - SIZE.left - SIZE.right) * time) / view.end;
const yOf = (value) =>
  SIZE.top + ((bottom() - SIZE.top) * (view.high - value)) / (view.high - view.low);

function drawAxes(svg) {
  const step = roundStep(view.high - view.low, 6);
  for (let tick = Math.ceil(view.low / step); tick * step <= view.high; tick += 1) {
    const y = yOf(tick * step);
    const kind = tick === 0 ? "zero" : "grid";
    svg.append(
      drawn("line", { class: kind, x1: SIZE.left, x2: SIZE.width - SIZE.right, y1: y, y2: y }),
      drawn("text", { x: SIZE.left - 6, y: y + 4, "text-anchor": "end" },
        String(Number((tick * step).toPrecision(6))).replace("-", "−")),
    );
  }
  const seconds = Math.max(1, roundStep(view.end, 10));
  for (let time = 0; time <= view.end; time += seconds) {
    const words = `${Math.floor(time / 60)}:${String(Math.round(time % 60)).padStart(2, "0")}`;
    svg.append(drawn("text", { x: xOf(time), y: SIZE.height - 8, "text-anchor": "middle" }, words));
  }
}

function drawMethod(svg, method, measure) {
  const scores = method.scores[measure] ?? [];
  let path = "";
  let pen = false;
  scores.forEach((score, at) => {
    if (score === null) {
      pen = false;
      return;
    }
    const x = xOf(method.time[at] + method.duration / 2).toFixed(1);
    path += `${pen ? "L" : "M"}${x} ${yOf(score).toFixed(1)}${pen ? "" : "h0.1"}`;
    pen = true;
  });
  const group = drawn("g", { class: `m${method.place}` });
  group.append(drawn("title", {}, method.name), drawn("path", { class: "line", d: path }));
  if (measure !== "SDR") {
    for (const at of method.flags) {
      if (scores[at] === null || scores[at] === undefined) continue;
      const x = xOf(method.time[at] + method.duration / 2);
      const flag = drawn("circle", { class: "flag", cx: x, cy: yOf(scores[at]), r: 2.5 });
      flag.append(drawn("title", {}, "ill-conditioned: this score means little"));
      group.append(flag);
    }
  }
  svg.append(group);
}

/* The stems beside it: one plays at a time, a click on the plot plays that second. */

function listen() {
  const { track, stem } = chosen();
  const entries = track && stem ? [["mix", track.mix], ...stem.audio] : [];
  const players = entries.filter(([, source]) => source).flatMap(([name, source]) => {
    const label = document.createElement("span");
    label.textContent = name;
    const player = document.createElement("audio");
    player.controls = true;
    player.preload = "none";
    player.src = source;
    player.addEventListener("play", () => {
      for (const other of document.querySelectorAll("audio")) if (other !== player) other.pause();
    });
    player.addEventListener("timeupdate", () => movePlayhead(player.currentTime));
    return [label, player];
  });
  byId("listen").replaceChildren(...players);
}

function movePlayhead(time) {
  const line = byId("playhead");
  if (!line || !view) return;
  const x = xOf(Math.min(time, view.end));
  line.setAttribute("x1", x);
  line.setAttribute("x2", x);
}

function playAt(event) {
  if (!view) return;
  const bounds = byId("time").getBoundingClientRect();
  const x = ((event.clientX - bounds.left) * SIZE.width) / bounds.width;
  const share = (x - SIZE.left) / (SIZE.width - SIZE.left - SIZE.right);
  const time = Math.min(1, Math.max(0, share)) * view.end;
  const players = [...document.querySelectorAll("audio")];
  const player = players.find((one) => !one.paused) ?? players[1] ?? players[0];
  movePlayhead(time);
  if (!player) return;
  player.currentTime = time;
  /* A browser may refuse to play, or the files may have stayed elsewhere. */
  player.play().catch(() => undefined);
}

for (const button of document.querySelectorAll("#scores th button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}
for (const id of ["filter", "only-stem", "only-method"]) {
  byId(id).addEventListener("input", filterRows);
}
fill(byId("track"), tracks.map((track, at) => at), (at) => tracks[at].name);
byId("track").addEventListener("input", chooseTrack);
byId("stem").addEventListener("input", () => { listen(); drawTime(); });
byId("measure").addEventListener("input", drawTime);
byId("time").addEventListener("click", playAt);
filterRows();
chooseTrack();
