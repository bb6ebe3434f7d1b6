// Every device as a cell, and a table that says the same.
import { el, figure, name, power_text, put, words } from "./tools.js";

const LOST = 4, UNKNOWN = 5, LISTED = 12;
const canvas = document.getElementById("heat"), picked = document.getElementById("picked");
let tree = null, columns = null, grid = null, at = -1;

const colour = (key) => getComputedStyle(document.documentElement).getPropertyValue(key).trim();

const line = (pen, points) => { pen.beginPath(); points.forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y))); pen.stroke(); };

// off: empty; starting: a triangle up; stopping, resting: down; running: filled; lost: crossed; unknown: a dot.
const cell = (pen, paint, x, y, size, state, level) => {
  const inner = Math.max(1, size - (size > 5 ? 2 : 1)), right = x + inner, below = y + inner;
  pen.lineWidth = size > 9 ? 1.5 : 1;
  pen.strokeStyle = state >= LOST ? paint.bad : paint.edge;
  pen.strokeRect(x + 0.5, y + 0.5, inner - 1, inner - 1);
  if (state === 2) {
    const high = Math.max(1, ((level > 9 ? 9 : level) / 9) * (inner - 1));
    pen.fillStyle = level > 9 ? paint.edge : paint.run;
    pen.fillRect(x + 1, below - high, inner - 2, high);
  } else if (state === LOST) {
    line(pen, [[x, y], [right, below]]);
    line(pen, [[right, y], [x, below]]);
  } else if (state === UNKNOWN) {
    pen.fillStyle = paint.bad;
    pen.fillRect(x + inner / 2 - 1, y + inner / 2 - 1, 2, 2);
  } else if (state) {
    const [top, foot] = state === 1 ? [y + 2, below - 2] : [below - 2, y + 2];
    pen.fillStyle = paint.warn;
    pen.beginPath();
    pen.moveTo(x + inner / 2, top);
    pen.lineTo(right - 1, foot);
    pen.lineTo(x + 1, foot);
    pen.fill();
  }
};

const paints = () => ({ bad: colour("--bad"), edge: colour("--dim"), run: colour("--blue"), warn: colour("--warn") });

const lay = () => {
  const wide = canvas.clientWidth || 300, count = tree.ids.length;
  let size = 22;
  while (size > 3 && Math.ceil(count / Math.floor(wide / size)) * size > 300) size -= 1;
  const across = Math.max(1, Math.floor(wide / size));
  return { size, across, high: Math.ceil(count / across) * size };
};

const draw = () => {
  grid = lay();
  const scale = window.devicePixelRatio || 1, pen = canvas.getContext("2d"), paint = paints();
  canvas.style.height = `${grid.high}px`;
  canvas.width = Math.round(canvas.clientWidth * scale);
  canvas.height = Math.round(grid.high * scale);
  pen.scale(scale, scale);
  tree.sequence.forEach((d, k) => cell(pen, paint, (k % grid.across) * grid.size, Math.floor(k / grid.across) * grid.size, grid.size, columns.state.charCodeAt(d) - 48, columns.level.charCodeAt(d) - 48));
  if (at >= 0) {
    pen.strokeStyle = colour("--ink");
    pen.lineWidth = 2;
    pen.strokeRect((at % grid.across) * grid.size, Math.floor(at / grid.across) * grid.size, grid.size - 1, grid.size - 1);
  }
};

const state_of = (d) => words[`device_${tree.states[columns.state.charCodeAt(d) - 48]}`];

const pick = (k) => {
  at = Math.min(tree.sequence.length - 1, Math.max(0, k));
  const d = tree.sequence[at], level = columns.level.charCodeAt(d) - 48;
  const draws = level > 9 ? words.unknown : `≈ ${power_text((level / 9) * tree.max_w[d])}`;
  put(picked, name(tree.ids[d]), " · ", name(tree.agents[tree.agent[d]]), " · ", name(tree.nodes[tree.node[d]]), " · ", state_of(d), " · ", figure(draws));
  draw();
};

const icon = (state) => {
  const small = el("canvas", { width: 14, height: 14, "aria-hidden": "true" });
  cell(small.getContext("2d"), paints(), 0, 0, 14, state, 9);
  return small;
};

const table = () => {
  const groups = tree.states.map(() => []);
  for (let d = 0; d < tree.ids.length; d += 1) groups[columns.state.charCodeAt(d) - 48].push(d);
  const which = (devices, state) => (state < LOST || !devices.length ? "" : [name(devices.slice(0, LISTED).map((d) => tree.ids[d]).join(", ")), devices.length > LISTED ? " …" : ""]);
  put(document.querySelector("#devices tbody"), groups.map((devices, state) => el("tr", {},
    el("td", {}, icon(state), words[`device_${tree.states[state]}`]), el("td", {}, figure(String(devices.length))), el("td", {}, which(devices, state)))));
};

export const show_devices = (known, now) => {
  [tree, columns] = [known, now];
  draw();
  table();
};

const steps = { ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: () => grid.across, ArrowUp: () => -grid.across };
canvas.addEventListener("keydown", (event) => {
  if (!columns || !steps[event.key]) return;
  event.preventDefault();
  pick(at < 0 ? 0 : at + steps[event.key]());
});
canvas.addEventListener("click", (event) => {
  if (columns) pick(Math.floor(event.offsetY / grid.size) * grid.across + Math.floor(event.offsetX / grid.size));
});
new ResizeObserver(() => columns && draw()).observe(canvas);
