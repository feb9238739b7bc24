// The server's time, as far as this page can know it, and a tick per second for whatever shows a time that runs.
// Frames that are made at the moment of sending (`hello`, `ping`) set it. Called by the stream and by views.

let offsetMs = 0;
const listeners = new Set();

/** The server said that it is `at` (RFC 3339) now. */
export function setServerTime(at) {
  const serverMs = Date.parse(at);
  if (Number.isFinite(serverMs)) offsetMs = serverMs - Date.now();
}

/** Milliseconds since 1970 by the server's clock. */
export function nowMs() {
  return Date.now() + offsetMs;
}

/** Call `listener` every second until the function that this gives is called. */
export function everySecond(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

setInterval(() => {
  for (const listener of [...listeners]) listener();
}, 1000);
