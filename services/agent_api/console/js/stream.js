// The stream of frames: opened with a ticket, opened again from the last cursor with growing pauses, and honest about which of these it is.
// Called by main, which hands frames and states on. It understands no frame but the two that carry the server's time.

import { command, Problem } from "./api.js";
import { setServerTime } from "./clock.js";

const PAUSES_MS = [300, 700, 1500, 3000, 6000, 10000];
// The server says `ping` every 20 s. A connection that is silent for longer than two of them is dead, whatever the browser thinks.
const SILENCE_MS = 45000;
const FORBIDDEN = 4403;

export class Stream {
  /** `onFrame(frame)`; `onState(state)`: "connecting", "live", "reconnecting" or "refused", which is the end of it. */
  constructor({ onFrame, onState }) {
    this.onFrame = onFrame;
    this.onState = onState;
    this.cursor = null;
    this.socket = null;
    this.failures = 0;
    this.timer = null;
    this.closed = false;
    this.wake = () => this.hurry();
    window.addEventListener("online", this.wake);
    document.addEventListener("visibilitychange", this.wake);
  }

  /** Open, or open again. */
  async open() {
    this.timer = null;
    this.onState(this.cursor === null && this.failures === 0 ? "connecting" : "reconnecting");
    let ticket;
    try {
      ({ ticket } = await command("POST", "/v1/stream/tickets"));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.status === 403) this.refuse();
      else this.later();
      return;
    }
    if (this.closed) return;
    const query = new URLSearchParams({ ticket });
    if (this.cursor !== null) query.set("after", this.cursor);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/v1/stream?${query}`);
    this.socket = socket;
    socket.onmessage = (event) => {
      if (socket === this.socket) this.receive(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      // A socket that was given up closes late; the one that took its place is none of its business.
      if (socket !== this.socket) return;
      if (event.code === FORBIDDEN) this.refuse();
      else this.later();
    };
    this.listen();
  }

  receive(frame) {
    this.listen();
    if (frame.type === "hello" || frame.type === "ping") setServerTime(frame.at);
    // Told first: whoever sees the page say "live" sees what this frame brought.
    this.onFrame(frame);
    this.cursor = frame.cursor;
    if (frame.type === "hello") {
      this.failures = 0;
      this.onState("live");
    }
  }

  /** Give the connection up when nothing comes for too long. */
  listen() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.drop();
      this.later();
    }, SILENCE_MS);
  }

  later() {
    if (this.closed || this.timer !== null) return;
    this.drop();
    this.onState("reconnecting");
    const pause = PAUSES_MS[Math.min(this.failures, PAUSES_MS.length - 1)];
    this.failures += 1;
    // A restarted server is not met by everybody in the same moment.
    this.timer = setTimeout(() => this.open(), pause * (0.75 + Math.random() / 2));
  }

  /** Do not wait for the end of the pause: the network is back, or somebody looks again. */
  hurry() {
    if (this.timer === null || document.visibilityState === "hidden") return;
    clearTimeout(this.timer);
    this.open();
  }

  refuse() {
    this.close();
    this.onState("refused");
  }

  drop() {
    clearTimeout(this.silence);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  /** For good. */
  close() {
    this.closed = true;
    clearTimeout(this.timer);
    window.removeEventListener("online", this.wake);
    document.removeEventListener("visibilitychange", this.wake);
    this.drop();
  }
}
