// An agent written from docs/contract alone, over devices that do at once what they are told.
//
//   node agent.mjs '{"port": 1883, "site": "...", "agent": "...", "key": "agent.key", "controller": "controller.pub",
//                    "store": "state.json", "settle_ms": 15000, "devices": [...], "vice": null}'
//
// `vice` spoils one of the rules, so that a test can see that the rule is looked at.
import { createHash, createPrivateKey, createPublicKey, randomUUID, sign, verify } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

import { Connection } from "./mqtt.mjs";

const asked = JSON.parse(process.argv[2]);
const MAX_PAYLOAD = 1 << 20;
const REPORT_MS = 1000;
const SET_FIELDS = ["v", "site", "agent", "key", "epoch", "seq", "ttl_ms", "echo", "head", "inventory"];
const ONE_OF = ["setpoints_w", "same_as"];

const nowMs = () => Math.round(1000 * Number(fs.readFileSync("/proc/uptime", "utf8").split(" ")[0]));
const topic = (leaf) => `surplus/v2/${asked.site}/${asked.agent}/${leaf}`;
const isInteger = (value, low, high) => Number.isSafeInteger(value) && value >= low && value <= high;

class Refusal extends Error {}

function refuseUnless(holds, why) {
  if (!holds) throw new Refusal(why);
}

// Opens a set by the rules of the bytes; throws Refusal.
function openSet(payload, controller) {
  refuseUnless(payload.length > 64 && payload.length <= MAX_PAYLOAD, `a payload of ${payload.length} bytes`);
  const text = payload.subarray(64);
  const good = asked.vice === "believes everybody" || verify(null, text, controller, payload.subarray(0, 64));
  refuseUnless(good, "the signature is of no known key");
  let body;
  try {
    body = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
  } catch (error) {
    throw new Refusal(`no JSON: ${error.message}`);
  }
  // To JSON.parse 3500.0 is an integer: numbers are looked at as they stand.
  refuseUnless(!/\d[.eE]/.test(text.toString().replace(/"(?:[^"\\]|\\.)*"/g, '""')), "a number that is no integer");
  checkSet(body);
  return { setpoints_w: null, same_as: null, ...body };
}

function checkSet(body) {
  refuseUnless(body !== null && typeof body === "object" && !Array.isArray(body), "no object");
  const names = Object.keys(body);
  refuseUnless(SET_FIELDS.every((name) => names.includes(name)), "a field is missing");
  refuseUnless(names.every((name) => SET_FIELDS.includes(name) || ONE_OF.includes(name)), "an unknown field");
  refuseUnless(body.v === 2 && body.site === asked.site && body.agent === asked.agent, "for somebody else");
  refuseUnless(body.key === "controller", "another key id than the one that signed it");
  const exact = Number.MAX_SAFE_INTEGER;
  refuseUnless(isInteger(body.epoch, 0, exact) && isInteger(body.seq, 0, exact), "epoch or seq");
  refuseUnless(isInteger(body.ttl_ms, 1, 120000), "ttl_ms");
  refuseUnless(body.echo === null || isEcho(body.echo), "echo");
  refuseUnless(body.head === null || (typeof body.head === "string" && /^.{1,500}$/su.test(body.head)), "head");
  refuseUnless(typeof body.inventory === "string" && /^[0-9a-f]{16,64}$/.test(body.inventory), "inventory");
  const [setpoints, same] = [body.setpoints_w ?? null, body.same_as ?? null];
  refuseUnless((setpoints === null) !== (same === null), "exactly one of setpoints_w and same_as");
  refuseUnless(same === null || isInteger(same, 0, exact), "same_as");
  const whole = (watts) => isInteger(watts, 0, 10_000_000);
  refuseUnless(setpoints === null || (Array.isArray(setpoints) && setpoints.every(whole)), "setpoints_w");
}

function isEcho(echo) {
  const named = typeof echo === "object" && Object.keys(echo).sort().join() === "boot,boottime_ms";
  return named && typeof echo.boot === "string" && isInteger(echo.boottime_ms, 0, Number.MAX_SAFE_INTEGER);
}

function fitted(device, watts) {
  const most = Math.min(watts, device.max_w);
  const allowed = device.ranges.filter((one) => one.from_w <= most).map((one) => Math.min(most, one.to_w));
  return Math.max(device.off_w, ...allowed);
}

// The leases of the devices, what they run on, and what a restart would find.
class Leases {
  constructor(devices, boot) {
    this.devices = devices;
    this.boot = boot;
    this.id = createHash("sha256").update(JSON.stringify(devices)).digest("hex").slice(0, 32);
    const kept = fs.existsSync(asked.store) ? JSON.parse(fs.readFileSync(asked.store, "utf8")) : {};
    this.epoch = kept.epoch ?? 0;
    this.seq = kept.seq ?? 0;
    this.head = this.storedHead = kept.head ?? null;
    this.applied = devices.map((device) => kept.watts?.[device.id] ?? device.off_w);
    this.granted = [...this.applied];
    this.stored = [...this.applied];
    this.basis = null;
    this.endMs = nowMs();
    this.spreadMs = 0;
    this.phase = createHash("sha256").update(asked.agent).digest().readUInt32BE(0) / 2 ** 32;
    this.lapsed = devices.map(() => true);
    this.fellMs = devices.map(() => this.endMs);
    this.appliedSeq = 0;
    devices.forEach((_, k) => this.#lapse(k, this.endMs));
    this.follow();
  }

  deviceEndMs(k) {
    return this.endMs - Math.floor((this.spreadMs * (k + this.phase)) / this.devices.length);
  }

  nextEndMs() {
    return Math.min(...this.devices.map((_, k) => (this.lapsed[k] ? Infinity : this.deviceEndMs(k))));
  }

  // Ends the leases whose time has come; returns whether there were any.
  advance(now) {
    if (asked.vice === "forgets its leases") return false;
    const ended = this.devices.map((_, k) => k).filter((k) => !this.lapsed[k] && this.deviceEndMs(k) <= now);
    ended.forEach((k) => this.#lapse(k, now));
    return ended.length > 0;
  }

  #lapse(k, now) {
    const device = this.devices[k];
    this.granted[k] = fitted(device, Math.min(this.granted[k], this.applied[k], device.failsafe_w));
    this.lapsed[k] = true;
    this.fellMs[k] = now;
  }

  // Takes a set, or throws Refusal and has changed nothing but by the passing of time.
  offer(set, retained, now) {
    this.advance(now);
    refuseUnless(!retained || asked.vice === "takes retained sets", "a retained set is never taken");
    const newer = set.epoch > this.epoch || (set.epoch === this.epoch && set.seq > this.seq);
    refuseUnless(newer || asked.vice === "takes anything twice", `${set.epoch}/${set.seq} is not newer`);
    const mine = set.echo !== null && set.echo.boot === this.boot;
    refuseUnless(!mine || set.echo.boottime_ms <= now || asked.vice === "takes echoes of the future", "an echo of the future");
    refuseUnless(set.inventory === this.id, "another inventory");
    const basis = this.#basisOf(set);
    refuseUnless(basis.watts.length === this.devices.length, "another number of devices");
    [this.epoch, this.seq, this.basis, this.head] = [set.epoch, set.seq, basis, set.head ?? this.head];
    const endMs = mine ? set.echo.boottime_ms + set.ttl_ms : now;
    const live = endMs > now;
    if (live) {
      this.endMs = endMs;
      this.spreadMs = Math.min(asked.settle_ms, Math.floor(set.ttl_ms / 3));
    }
    basis.watts.forEach((watts, k) => this.#grant(k, fitted(this.devices[k], watts), live ? set.echo.boottime_ms : null, now));
  }

  #basisOf(set) {
    if (set.setpoints_w !== null) return { seq: set.seq, watts: set.setpoints_w };
    const held = this.basis !== null && set.epoch === this.epoch && set.same_as === this.basis.seq;
    refuseUnless(held, `same as ${set.same_as}, which is not held`);
    return this.basis;
  }

  #grant(k, watts, echoMs, now) {
    const lower = Math.min(this.granted[k], watts);
    if (echoMs === null) {
      if (this.lapsed[k]) this.granted[k] = asked.vice === "raises without an echo" ? watts : lower;
    } else if (this.deviceEndMs(k) <= now) {
      this.granted[k] = lower;
      this.#lapse(k, now);
    } else if (this.fellMs[k] > echoMs) {
      this.granted[k] = lower;
    } else {
      this.granted[k] = watts;
      this.lapsed[k] = false;
    }
  }

  // Tells the devices: lower watts are on the disk before, higher ones after.
  follow() {
    this.stored = this.granted.map((watts, k) => Math.min(watts, this.applied[k]));
    this.#store();
    this.applied = [...this.granted];
    this.stored = [...this.granted];
    this.#store();
    this.appliedSeq = this.seq;
  }

  #store() {
    const watts = Object.fromEntries(this.devices.map((device, k) => [device.id, this.stored[k]]));
    const draft = `${asked.store}.draft`;
    const file = fs.openSync(draft, "w", 0o600);
    fs.writeSync(file, JSON.stringify({ epoch: this.epoch, seq: this.seq, head: this.head, watts }));
    fs.fsyncSync(file);
    fs.closeSync(file);
    fs.renameSync(draft, asked.store);
    const folder = fs.openSync(path.dirname(path.resolve(asked.store)), "r");
    fs.fsyncSync(folder);
    fs.closeSync(folder);
    this.storedHead = this.head;
  }
}

class Agent {
  constructor() {
    this.key = createPrivateKey(fs.readFileSync(asked.key));
    this.controller = createPublicKey(fs.readFileSync(asked.controller));
    this.boot = randomUUID();
    this.leases = new Leases(asked.devices, this.boot);
    this.refused = null;
    this.introducedMs = 0;
    this.#connect();
    this.#arm();
  }

  #connect() {
    const offline = JSON.stringify({ v: 2, site: asked.site, agent: asked.agent, state: "offline" });
    this.connection = new Connection({
      port: asked.port,
      clientId: `${asked.site}.${asked.agent}`,
      will: { topic: topic("status"), payload: offline },
      topic: topic("set"),
      onUp: () => this.#introduce(),
      onMessage: (payload, retained) => this.#take(payload, retained),
      onDown: () => setTimeout(() => this.#connect(), 300),
    });
  }

  // One timer for whatever comes next: a report, or the end of a lease.
  #arm() {
    const dueMs = Math.max(0, Math.min(REPORT_MS, this.leases.nextEndMs() - nowMs()));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#turn(), dueMs);
  }

  #turn() {
    if (this.leases.advance(nowMs())) this.leases.follow();
    this.#report();
    this.#arm();
  }

  #take(payload, retained) {
    try {
      const set = openSet(payload, this.controller);
      if (set.inventory !== this.leases.id) this.#sendInventory();
      this.leases.offer(set, retained, nowMs());
      this.refused = null;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refused = error.message.slice(0, 500);
    }
    this.leases.follow();
    this.#turn();
  }

  #introduce() {
    this.introducedMs = 0;
    this.#sendInventory();
    const status = { v: 2, site: asked.site, agent: asked.agent, state: "online" };
    this.connection.publish(topic("status"), Buffer.from(JSON.stringify(status)), { retain: true });
    this.#report();
  }

  #sendInventory() {
    if (nowMs() - this.introducedMs < REPORT_MS) return;
    this.introducedMs = nowMs();
    this.#say("inventory", { inventory: this.leases.id, devices: asked.devices }, { retain: true });
  }

  #report() {
    const { leases } = this;
    const now = nowMs();
    const count = leases.devices.length;
    const column = (letterOf) => leases.devices.map((device, k) => letterOf(device, k)).join("");
    this.#say(
      "report",
      {
        epoch: leases.epoch,
        accepted_seq: leases.seq,
        applied_seq: leases.appliedSeq,
        lease_left_ms: Math.min(120000, Math.max(0, leases.endMs - now)),
        lapsed: leases.lapsed.some(Boolean),
        inventory: leases.id,
        applied_w: leases.applied,
        measured_w: leases.applied,
        measured_by: (asked.vice === "measures by nothing" ? "n" : "d").repeat(count),
        state: column((_, k) => (leases.applied[k] === leases.granted[k] ? "p" : "g")),
        proof: column((_, k) => (leases.applied[k] === leases.granted[k] ? "b" : "n")),
        activity: column((device, k) => (leases.applied[k] === device.off_w ? "o" : "r")),
        head_seen: asked.vice === "forgets the head" ? null : leases.head,
        head_stored: leases.storedHead,
        refused: this.refused,
        ...(asked.vice === "rests while it runs" ? { rests: "r".repeat(count) } : {}),
      },
      { expiryS: 3 },
    );
  }

  #say(leaf, fields, options) {
    const echo = { boot: this.boot, boottime_ms: nowMs() };
    const body = { v: 2, site: asked.site, agent: asked.agent, key: asked.agent, echo, ...fields };
    const text = Buffer.from(JSON.stringify(body));
    this.connection.publish(topic(leaf), Buffer.concat([sign(null, text, this.key), text]), options);
  }
}

new Agent();
