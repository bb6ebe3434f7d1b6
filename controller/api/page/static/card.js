// The card: what the site's state is, why, since when, and what can be done about it.
import { el, figure, instant, name, power, put, say, span_text, words } from "./tools.js";

// Each state has a sign and a word of its own; the colour only repeats what they say.
const LOOKS = {
  normal: ["✔", "good"], warned: ["✔", "warn"], unseen: ["?", "warn"], hold: ["‖", "warn"], init: ["…", "warn"], stopped: ["■", "warn"],
  tripped: ["⊘", "bad"], not_met: ["✖", "bad"], failsafe: ["▼", "bad"], over: ["▲", "bad"], unknown: ["?", "bad"],
};

// Of which reasons a state is told first.
const FIRST = { over: "over_envelope", tripped: "node_tripped", stopped: "site_stopped" };

const by_code = (reasons, first) => {
  const seen = new Map(reasons.map((reason) => [`${reason.code} ${reason.subject}`, reason]));
  return [...seen.values()].sort((a, b) => (b.code === first) - (a.code === first));
};

const doubted = (sources) => Object.values(sources).flatMap((source) => source.reasons.filter((reason) => reason.code !== "value_noted"));

export const all_reasons = (status) => by_code(
  [...status.reasons, ...status.warnings, ...doubted(status.meters), ...doubted(status.agents), ...status.utc_reasons, ...status.site_file_reasons],
  FIRST[status.state]);

const lasted = (since, utc_s) => figure(`(${span_text(utc_s - Date.parse(since) / 1000)})`);

const row = (text, since, does, utc_s) => el("li", {},
  el("div", {}, text, since ? [" · ", words.since, " ", instant(since), " ", lasted(since, utc_s)] : []),
  does ? el("p", { class: "do" }, el("b", {}, words.to_do, ": "), commands(does)) : null);

// What stands between ` is typed as it is, from left to right.
const commands = (text) => text.split("`").map((part, k) => (k % 2 ? el("bdi", { dir: "ltr" }, el("code", {}, part)) : part));

const unmet = (order) => order.state === "not_met" || order.compliance === "partial";

// Where the site is over its limit, the reason below says what to do at once.
const missed = (order, { status, utc_s }) => row(
  say(words.order_missed, { order: name(`${order.issuer}/${order.id}`), power: power(order.shortfall_w), node: name(order.node) }),
  order.since, status.state === "over" ? "" : words.order_do, utc_s);

export const show_card = (told) => {
  const { status, orders } = told, card = document.getElementById("card");
  const [glyph, look] = LOOKS[status.state], reasons = all_reasons(status), since = status.state_since;
  card.className = look;
  document.getElementById("glyph").textContent = glyph;
  const state = document.getElementById("state"), word = words[`state_${status.state}`];
  if (state.textContent !== word) state.textContent = word;
  // The state has held since then, not the mode.
  put(document.getElementById("since"),
    since ? [words.since, " ", instant(since), " ", lasted(since, told.utc_s), " · "] : [],
    words[`mode_${status.mode}`]);
  const rows = [...orders.filter(unmet).map((order) => missed(order, told)), ...reasons.map((reason) => row(reason.text, reason.since, told.do[reason.code], told.utc_s))];
  if (status.journal_failure) rows.push(row([words.journal_unusable, ": ", name(status.journal_failure)], null, words.journal_do, told.utc_s));
  if (status.orders_doubt && !reasons.some((reason) => reason.code === "orders_may_be_missing")) rows.push(row(status.orders_doubt, null, told.do.orders_may_be_missing, told.utc_s));
  put(document.getElementById("why"), rows.length ? rows : el("li", { class: "dim" }, words.nothing_to_do));
};
