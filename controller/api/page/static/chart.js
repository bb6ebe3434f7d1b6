// The last quarter of an hour: what the site drew, and what it might have. The plot itself is uPlot, which is loaded after all else.
import { el, lang } from "./tools.js";

const KEPT_S = 900;
const place = document.getElementById("chart");
let plot = null, columns = null;

const colour = (key) => getComputedStyle(document.documentElement).getPropertyValue(key).trim();
const watts = (_, values) => values.map((value) => (lang === "id" ? String(value / 1e3).replace(".", ",") : String(value / 1e3)));

const options = () => {
  const ink = colour("--dim"), grid = { stroke: colour("--edge"), width: 1 }, axis = { stroke: ink, grid, ticks: grid, font: "12px system-ui, sans-serif" };
  return {
    width: place.clientWidth, height: 190, legend: { show: false }, cursor: { show: false },
    scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(0, low), Math.max(1, high * 1.08)] } },
    axes: [{ ...axis, space: 70, values: "{HH}:{mm}" }, { ...axis, size: 64, label: "kW", labelSize: 18, labelFont: axis.font, values: watts }],
    series: [{}, { stroke: colour("--blue"), width: 2 }, { stroke: colour("--bad"), width: 2, dash: [8, 4], paths: window.uPlot.paths.stepped({ align: 1 }) }, { stroke: colour("--good"), width: 2, dash: [2, 3] }],
  };
};

const load = () => new Promise((done, failed) => {
  const script = el("script", { src: new URL("uplot.js", import.meta.url).href });
  script.addEventListener("load", done);
  script.addEventListener("error", failed);
  document.head.append(script);
});

const draw = () => {
  if (window.uPlot && columns && place.clientWidth) {
    if (plot) plot.setData(columns);
    else plot = new window.uPlot(options(), columns, place);
  }
};

// Begins with what was before; `course`: columns as the site has kept them.
export const begin_chart = async (course) => {
  columns = [course.utc_s, course.site_w, course.envelope_w, course.surplus_w];
  if (!window.uPlot) await load();
  draw();
};

export const add_to_chart = (utc_s, site_w, envelope_w, surplus_w) => {
  if (!columns || utc_s === columns[0].at(-1)) return;
  // The wall clock may be set back.
  while (utc_s < columns[0].at(-1)) columns.forEach((column) => column.pop());
  const limit = typeof envelope_w === "number" ? envelope_w : null;
  [utc_s, site_w, limit, surplus_w].forEach((value, k) => columns[k].push(value));
  while (columns[0][0] < utc_s - KEPT_S) columns.forEach((column) => column.shift());
  draw();
};

new ResizeObserver(() => plot && plot.setSize({ width: place.clientWidth, height: 190 })).observe(place);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { plot?.destroy(); plot = null; draw(); });
