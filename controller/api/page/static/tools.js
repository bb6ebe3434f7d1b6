// What all parts of the page share.

export const words = JSON.parse(document.getElementById("words").textContent);
export const lang = document.documentElement.lang;
// Figures are in Latin digits everywhere; Indonesian has the comma before the decimals.
const locale = lang === "id" ? "id" : "en";

export const el = (name, about = {}, ...inside) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(about)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...inside.flat().filter((each) => each !== null && each !== undefined));
  return made;
};

// A figure keeps its own direction, and is never broken.
export const figure = (text) => el("bdi", { class: "n", dir: "ltr" }, text);
export const name = (text) => el("bdi", {}, text);

const fixed = (value, digits) =>
  new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false }).format(value);

export const power_text = (watts) => {
  if (watts === null || watts === undefined) return words.unknown;
  if (watts === "unlimited") return words.unlimited;
  return Math.abs(watts) >= 1e6 ? `${fixed(watts / 1e6, 3)} MW` : `${fixed(watts / 1e3, 1)} kW`;
};
export const power = (watts) => (typeof watts === "number" ? figure(power_text(watts)) : el("span", { class: "dim" }, power_text(watts)));
export const energy_text = (wh) => (Math.abs(wh) >= 1e6 ? `${fixed(wh / 1e6, 3)} MWh` : `${fixed(wh / 1e3, 1)} kWh`);
export const number_text = (value, digits = 0) => fixed(value, digits);

// 75 -> 1:15 min; what is longer than two days in days.
export const span_text = (seconds) => {
  const s = Math.max(0, Math.floor(seconds)), two = (n) => String(n).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)}:${two(s % 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)} h`;
  return `${Math.floor(s / 86400)} d`;
};
export const span = (seconds) => (seconds === null || seconds === undefined ? el("span", { class: "dim" }, words.never) : figure(span_text(seconds)));

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const date = new Intl.DateTimeFormat("en-CA");
// The day is left out where it is today.
export const instant = (iso) => {
  const at = new Date(iso);
  const day = date.format(at) === date.format(new Date()) ? "" : `${date.format(at)} `;
  return el("time", { datetime: at.toISOString() }, figure(day + clock.format(at)));
};

// Puts elements in the places of a sentence: say("{power} missing", { power: figure("3 kW") }).
export const say = (sentence, places) =>
  sentence.split(/(\{\w+\})/).filter(Boolean).map((part) => (/^\{\w+\}$/.test(part) ? places[part.slice(1, -1)] : part));

export const put = (place, ...inside) => place.replaceChildren(...inside.flat().filter((each) => each !== null));
