// As much of MQTT 5 as an agent needs, over node's own sockets: connect with a will, subscribe, publish with QoS 1.
import net from "node:net";

const KEEPALIVE_S = 10;

function word(value) {
  return Buffer.from([value >> 8, value & 0xff]);
}

function text(value) {
  const bytes = Buffer.from(value);
  return Buffer.concat([word(bytes.length), bytes]);
}

function varint(value) {
  const bytes = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>= 7;
  } while (value > 0);
  return Buffer.from(bytes);
}

function packet(first, ...parts) {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([first]), varint(body.length), body]);
}

// Returns [value, bytes read], or null while bytes are missing.
function readVarint(bytes, at) {
  let value = 0;
  for (let k = 0; k < 4; k++) {
    if (at + k >= bytes.length) return null;
    value |= (bytes[at + k] & 0x7f) << (7 * k);
    if (!(bytes[at + k] & 0x80)) return [value, k + 1];
  }
  throw new Error("a length of more than four bytes");
}

// One connection; a lost one is not brought back to life: its owner makes a new one, so that nothing old comes out of it.
export class Connection {
  constructor({ port, clientId, will, topic, onUp, onMessage, onDown }) {
    this.onUp = onUp;
    this.onMessage = onMessage;
    this.topic = topic;
    this.number = 0;
    this.waiting = Buffer.alloc(0);
    this.up = false;
    this.socket = net.connect({ port, host: "127.0.0.1", noDelay: true }, () => this.#greet(clientId, will));
    this.socket.on("data", (bytes) => this.#arrived(bytes));
    this.socket.on("error", () => this.socket.destroy());
    this.socket.on("close", () => {
      this.up = false;
      clearInterval(this.pings);
      onDown();
    });
    this.pings = setInterval(() => this.up && this.socket.write(Buffer.from([0xc0, 0])), (KEEPALIVE_S * 1000) / 2);
  }

  #greet(clientId, will) {
    const flags = 0x02 | 0x04 | (1 << 3) | 0x20; // clean start, a will with QoS 1, retained
    const properties = varint(0);
    const head = Buffer.concat([text("MQTT"), Buffer.from([5, flags]), word(KEEPALIVE_S), properties]);
    this.socket.write(packet(0x10, head, text(clientId), varint(0), text(will.topic), text(will.payload)));
  }

  // Publish; nothing is kept where there is no connection.
  publish(topic, payload, { retain = false, expiryS = null } = {}) {
    if (!this.up) return;
    const expiry = Buffer.alloc(expiryS === null ? 0 : 5);
    if (expiryS !== null) {
      expiry[0] = 0x02;
      expiry.writeUInt32BE(expiryS, 1);
    }
    const parts = [text(topic), word(this.#next()), varint(expiry.length), expiry, payload];
    this.socket.write(packet(0x32 | (retain ? 1 : 0), ...parts));
  }

  #next() {
    this.number = (this.number % 0xffff) + 1;
    return this.number;
  }

  #arrived(bytes) {
    this.waiting = Buffer.concat([this.waiting, bytes]);
    for (;;) {
      const length = this.waiting.length > 1 ? readVarint(this.waiting, 1) : null;
      if (length === null || this.waiting.length < 1 + length[1] + length[0]) return;
      const begin = 1 + length[1];
      const first = this.waiting[0];
      const body = this.waiting.subarray(begin, begin + length[0]);
      this.waiting = this.waiting.subarray(begin + length[0]);
      this.#packet(first, body);
    }
  }

  #packet(first, body) {
    const kind = first >> 4;
    if (kind === 2) {
      if (body[1] !== 0) return this.socket.destroy();
      const options = 0x01 | 0x08; // QoS 1, retain as published
      this.socket.write(packet(0x82, word(this.#next()), varint(0), text(this.topic), Buffer.from([options])));
    } else if (kind === 9) {
      if (body[body.length - 1] >= 0x80) return this.socket.destroy();
      this.up = true;
      this.onUp();
    } else if (kind === 3) {
      this.#published(first, body);
    } else if (kind === 14) {
      this.socket.destroy();
    }
  }

  #published(first, body) {
    const qos = (first >> 1) & 3;
    const topicEnd = 2 + body.readUInt16BE(0);
    let at = topicEnd;
    if (qos > 0) {
      this.socket.write(packet(0x40, body.subarray(at, at + 2)));
      at += 2;
    }
    const [length, bytes] = readVarint(body, at);
    const topic = body.subarray(2, topicEnd).toString();
    if (topic === this.topic) this.onMessage(body.subarray(at + bytes + length), (first & 1) === 1);
  }
}
