// Contacts received and resolved by the minute, as bars. Called by the board.

import { h, replace, svg } from "./dom.js";
import { formatTime, t } from "./words.js";

const WIDTH = 640;
const HEIGHT = 150;
const TOP = 12;
const BOTTOM = 18;
const LEFT = 26;
const LABEL_EVERY = 10;
const MINUTE_MS = 60000;
const SERIES = ["received", "resolved"];

/** Draw the last `count` minutes up to `toMs` into `place`; `minutes` are the API's lines, of which there may be several for a minute. */
export function drawThroughput(place, minutes, toMs, count) {
  const lines = addUp(minutes, toMs, count);
  const highest = Math.max(4, ...lines.flatMap((line) => SERIES.map((name) => line[name])));
  const step = (WIDTH - LEFT) / count;
  const height = HEIGHT - TOP - BOTTOM;
  const y = (value) => TOP + height * (1 - value / highest);
  const bars = lines.flatMap((line, index) =>
    SERIES.map((name, side) => {
      const bar = { x: LEFT + index * step + step * (0.12 + 0.38 * side), y: y(line[name]), width: step * 0.36, height: (height * line[name]) / highest };
      return line[name] > 0 && svg("rect", { class: name, rx: 1, ...bar }, svg("title", {}, t("chart-bar", { time: formatTime(line.at), count: line[name], what: t(name) })));
    }),
  );
  const times = lines.map((line, index) =>
    index % LABEL_EVERY === LABEL_EVERY - 1 && svg("text", { x: LEFT + (index + (index === count - 1 ? 1 : 0.5)) * step, y: HEIGHT - 4, "text-anchor": index === count - 1 ? "end" : "middle" }, formatTime(line.at)),
  );
  const rules = [0, Math.round(highest / 2), highest].map((value) => [
    svg("line", { x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }),
    svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, value),
  ]);
  const sums = Object.fromEntries(SERIES.map((name) => [name, lines.reduce((sum, line) => sum + line[name], 0)]));
  replace(
    place,
    h("p", { class: "legend" }, SERIES.map((name) => h("span", { class: name }, h("i"), `${t(name)} ${sums[name]}`))),
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": t("chart-label", { ...sums, count }) }, rules, bars, times),
  );
}

function addUp(minutes, toMs, count) {
  const last = toMs - (toMs % MINUTE_MS);
  const lines = Array.from({ length: count }, (_, index) => ({ at: last - (count - 1 - index) * MINUTE_MS, received: 0, assigned: 0, resolved: 0 }));
  for (const minute of minutes) {
    const line = lines[count - 1 - (last - Date.parse(minute.at)) / MINUTE_MS];
    if (line) for (const name of ["received", "assigned", "resolved"]) line[name] += minute[name];
  }
  return lines;
}
