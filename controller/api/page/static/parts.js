// All parts of the page but the card, the chart and the heat map.
import { el, energy_text, figure, instant, name, number_text, power, power_text, put, say, span, span_text, words } from "./tools.js";

const part = (id, within = ".rows") => document.querySelector(`#${id} ${within}`);
const pair = (word, value) => el("div", {}, el("dt", {}, word), el("dd", {}, value));

// order:ISSUER/ID and the like: a word for the kind, and the name.
export const binding = (limit, here) => {
  const [kind, ...rest] = limit.split(":"), of = rest.join(":");
  return [words[`limit_${kind}`] ?? kind, ...(of && of !== here ? [" ", name(of)] : [])];
};

export const show_figures = ({ status }, root) => {
  const node = status.nodes[root] ?? {};
  const over = typeof node.envelope_w === "number" && status.site_w > node.envelope_w;
  put(part("power", "dl"),
    pair(words.site_power, [power(status.site_w ?? null), over ? el("span", { class: "bad" }, " ▲") : null]),
    pair(words.envelope, power(node.envelope_w ?? null)),
    pair(words.binds, node.binding ? el("span", {}, binding(node.binding)) : words.unknown),
    pair(words.surplus, power(status.surplus_w ?? null)),
    pair(words.planned, power(node.planned_w ?? null)),
    pair(words.committed, power(node.committed_w ?? null)),
    pair(words.house, power(node.house_w ?? null)));
};

const bar = (watts, most) => {
  if (typeof watts !== "number" || typeof most !== "number") return el("div", { class: "bar" });
  const share = most > 0 ? watts / most : watts > 0 ? 2 : 0;
  const fill = el("i");
  fill.style.width = `${Math.min(100, Math.max(0, 100 * share)).toFixed(1)}%`;
  return el("div", { class: share > 1.01 ? "bar bad" : "bar" }, fill);
};

// Both in one, so that the first is the power in every language.
const of = (watts, most) => figure(`${power_text(watts)} / ${power_text(most)}`);

const cut_off = (contactor) => {
  if (!contactor || (contactor.state === "closed" && contactor.position !== "open")) return null;
  return el("span", { class: "bad" }, "⊘ ", words[`contactor_${contactor.state}`] ?? contactor.state);
};

export const show_tree = ({ status }, tree) => {
  put(part("tree"), tree.walk.filter(({ n }) => status.nodes[tree.nodes[n]]).map(({ n, depth }) => {
    const id = tree.nodes[n], node = status.nodes[id];
    // Without a meter of its own a node shows what its devices may be drawing, and says so.
    const measured = node.power_w !== null, watts = measured ? node.power_w : node.committed_w;
    const made = el("div", { class: "row" },
      el("p", {}, name(id), el("span", { class: "dim" }, binding(node.binding, id)), node.infeasible ? el("span", { class: "bad" }, "✖ ", words.infeasible) : null, cut_off(node.contactor),
        el("span", { class: "end" }, measured ? null : [el("span", { class: "dim" }, words.up_to), " "], of(watts, node.envelope_w))),
      bar(watts, node.envelope_w));
    made.style.paddingInlineStart = `${depth}rem`;
    return made;
  }));
};

const KEPT = { met: ["✔", "good"], not_met: ["✖", "bad"], partial: ["≈", "warn"], unseen: ["?", "warn"] };

const kept = (order) => {
  if (!order.compliance) return el("span", { class: "dim" }, words[`order_${order.state}`]);
  const [glyph, look] = KEPT[order.compliance];
  const by = order.shortfall_w ? [" ", ...say(words.missing, { power: power(order.shortfall_w) })] : [];
  return el("span", { class: look }, `${glyph} `, words[`kept_${order.compliance}`], by);
};

const left = (order, utc_s) => {
  const starts = Date.parse(order.starts_at) / 1000 - utc_s;
  if (order.state === "scheduled" && starts > 0) return say(words.begins_in, { time: figure(span_text(starts)) });
  if (!order.ends_at) return [words.until_released];
  if (order.end_waits) return [words.end_waits];
  return say(words.ends_in, { time: figure(span_text(Date.parse(order.ends_at) / 1000 - utc_s)) });
};

const more = (count) => (count > 0 ? [el("p", { class: "row dim" }, say(words.more, { count: figure(String(count)) }))] : []);

export const show_orders = (told) => put(part("orders"), told.orders.length ? [...told.orders.map((order) => el("div", { class: "row" },
  el("p", {}, name(`${order.issuer}/${order.id}`), el("span", {}, name(order.node), " ", say(words.at_most, { power: power(order.limit_w) })), kept(order),
    el("span", { class: "end" }, left(order, told.utc_s))),
  order.why ? el("p", { class: "dim" }, order.why) : null,
  order.durable ? null : el("p", { class: "bad" }, "▲ ", words.not_durable))), ...more(told.orders_open - told.orders.length)] : el("p", { class: "dim" }, words.none));

export const show_agents = ({ status }, tree, columns) => put(part("agents", "tbody"), tree.agents.map((id, a) => {
  const agent = status.agents[id];
  if (!agent) return null;
  const mine = columns ? tree.of_agent[a] : [], runs = mine.filter((d) => columns.state[d] === "2").length;
  return el("tr", {}, el("td", {}, name(id)),
    el("td", {}, agent.online ? el("span", { class: "good" }, "● ") : el("span", { class: "bad" }, "✕ ", words.silent, " "), span(agent.age_s), agent.reasons.length ? el("span", { class: "warn" }, " ▲") : null),
    el("td", {}, figure(columns ? `${runs}/${mine.length}` : "")),
    el("td", {}, columns ? power(columns.watts[a]) : ""));
}));

export const show_meters = ({ status }) => put(part("meters", "tbody"), Object.entries(status.meters).map(([id, meter]) => {
  const judged = status.state !== "unknown", good = judged && meter.quality === "good" && !meter.problem;
  const shows = id === "surplus" ? el("div", { class: "dim" }, words[`source_${status.surplus_model}`]) : null;
  return el("tr", {}, el("td", {}, name(id), shows),
    el("td", {}, el("span", { class: good ? "good" : "bad" }, good ? "● " : "✕ "), power(meter.value_w), " ", el("span", { class: good ? "dim" : "bad" }, good ? words.trusted : judged ? words.doubted : words.unknown)),
    el("td", {}, span(meter.age_s)));
}));

export const show_today = ({ status, today }) => put(part("today", "dl"),
  pair(words.energy, today ? figure(energy_text(today.energy_wh)) : words.unknown),
  pair(words.value, today ? figure(`${number_text(today.value, 2)} ${status.currency}`) : words.unknown),
  pair(words.value_now, status.value_per_h === null ? words.unknown : figure(`${number_text(status.value_per_h, 2)} ${status.currency}/h`)),
  today ? pair(words.counted_since, instant(new Date(1000 * today.since))) : null,
  today && today.unseen_s >= 1 ? pair(words.unseen_for, figure(span_text(today.unseen_s))) : null);

export const show_work = ({ status, stopped }) => put(part("work"),
  stopped ? el("div", { class: "row warn" }, "■ ", words.site_stopped) : null,
  status.locks.map((lock) => el("div", { class: "row" }, el("p", {}, "🔒 ", name(lock.subject), el("span", {}, name(lock.by), ": ", name(lock.reason)),
    lock.unproven === 0 ? el("span", { class: "good" }, "✔ ", words.proven_off) : el("span", { class: "bad" }, "▲ ", words.not_proven_off),
    lock.durable ? null : el("span", { class: "bad" }, "▲ ", words.not_durable)))),
  stopped || status.locks.length ? [] : el("p", { class: "dim" }, words.none));

export const show_records = (records) => put(part("records", "ol"), records.length ? records.map((record) => el("li", {},
  instant(record.at), " ", el("b", {}, record.what), record.state ? [" ", record.state] : [], record.about ? [" ", name(record.about)] : [], record.words ? [" · ", record.words] : [],
  record.seq === null ? el("span", { class: "bad" }, " ▲ ", words.not_durable) : null)) : el("li", { class: "dim" }, words.none));
