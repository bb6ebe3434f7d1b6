// What an operator may do here: stop and resume the site, lock and unlock, confirm a meter, reset a node. Each asks first.
import { el, put, words } from "./tools.js";

const dialog = document.getElementById("ask");
const part = (within) => dialog.querySelector(within);
const field = (key, value = "") => el("label", {}, words[key], " ", el("input", { name: key, required: true, maxlength: 500, value, dir: "auto" }));

export const post = (path, body) => fetch(path, {
  method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
});

const refusal = async (answer) => {
  const body = await answer.json().catch(() => ({}));
  return (body.error?.details ?? [`HTTP ${answer.status}`]).join("; ");
};

const ask = (act) => {
  put(part("h2"), words[act.word]);
  put(part(".about"), words[`${act.word}_about`]);
  put(part(".fields"), act.fields.map((key) => field(key, act.known?.[key])));
  put(part("[role=alert]"));
  part("#sure").onclick = async (event) => {
    event.preventDefault();
    if (!part("form").reportValidity()) return;
    const given = Object.fromEntries(new FormData(part("form")));
    try {
      const answer = await post(act.path(given), act.body(given));
      const left = answer.ok ? act.left?.(await answer.json()) : await refusal(answer);
      if (left) put(part("[role=alert]"), left);
      else dialog.close();
    } catch {
      put(part("[role=alert]"), words.no_answer);
    }
  };
  dialog.showModal();
};

part("#cancel").addEventListener("click", () => dialog.close());

const here = encodeURIComponent;
// What an answer leaves to be known: a restart may forget it, or another operator has to agree.
const durable = (kept) => (kept.durable ? "" : words.not_durable);
const agreed = ({ lifted, agreed: by }) => (lifted ? "" : `${by.join(", ")}: ${words.agree}`);
const ACTS = [
  { word: "act_stop", fields: ["why"], path: () => "api/v1/stop", body: ({ why }) => ({ reason: why }), look: "bad", when: ({ stopped }) => !stopped, left: durable },
  { word: "act_resume", fields: ["why"], path: () => "api/v1/resume", body: ({ why }) => ({ reason: why }), when: ({ stopped }) => stopped, left: durable },
  { word: "act_lock", fields: ["subject", "by", "why"], path: () => "api/v1/locks", body: ({ subject, by, why }) => ({ subject, by, reason: why }), left: ({ lock }) => durable(lock) },
  { word: "act_unlock", fields: ["subject", "of", "by"], path: () => "api/v1/locks/lift", body: (given) => given, left: agreed,
    when: ({ status }) => status.locks.length > 0, known: ({ status: { locks: [lock] } }) => lock && { subject: lock.subject, of: lock.by } },
  { word: "act_confirm", fields: ["meter_id", "by", "why"], path: ({ meter_id }) => `api/v1/meters/${here(meter_id)}/confirm`, body: ({ by, why }) => ({ by, reason: why }),
    when: ({ status }) => awaited(status), known: ({ status }) => ({ meter_id: awaited(status) }) },
  { word: "act_reset", fields: ["node_id", "why"], path: ({ node_id }) => `api/v1/nodes/${here(node_id)}/reset`, body: ({ why }) => ({ reason: why }),
    when: ({ status }) => tripped(status), known: ({ status }) => ({ node_id: tripped(status) }) },
];

const awaited = (status) => Object.values(status.meters).flatMap((meter) => meter.reasons).find((reason) => reason.code === "meter_unconfirmed")?.subject
  ?? status.reasons.find((reason) => reason.code === "meter_unconfirmed")?.subject;
const tripped = (status) => Object.entries(status.nodes).find(([, node]) => node.contactor?.trip)?.[0];

let shown = "";

export const show_acts = (told, role) => {
  const place = document.getElementById("acts"), now = role === "operator" ? ACTS.filter((act) => !act.when || act.when(told)) : [];
  const key = now.map((act) => act.word).join();
  // Buttons that stay keep the focus that they have.
  if (key === shown) return;
  shown = key;
  place.hidden = !now.length;
  put(place, now.map((act) => {
    const button = el("button", { type: "button", class: act.look }, words[act.word]);
    button.addEventListener("click", () => ask({ ...act, known: act.known?.(latest.told) }));
    return button;
  }));
};

const latest = { told: null };
export const know = (told) => { latest.told = told; };
