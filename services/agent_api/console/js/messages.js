// One message or note of a contact, and its files. Called by the conversation.

import { download, Problem } from "./api.js";
import { h, replace } from "./dom.js";
import { explainProblem, explainReason } from "./labels.js";
import { notify } from "./notices.js";
import { formatFully, formatTime, t } from "./words.js";

const RELEASE_MS = 60000;

/** The element of one message, still empty. */
export function drawMessage() {
  return h("li");
}

/** Show the message in it. `direction` is "in", "out" or "note". */
export function showMessage(item, message, customer, directory) {
  const facts = JSON.stringify(message);
  if (item.dataset.facts === facts) return;
  item.dataset.facts = facts;
  item.dataset.direction = message.direction;
  const who = message.direction === "in" ? message.name || customer : directory.name(message.agent) || t("automatic");
  replace(
    item,
    h(
      "p",
      { class: "by" },
      h("span", { class: "who" }, who),
      message.direction === "note" && h("span", { class: "tag" }, t("note")),
      message.automatic && h("span", { class: "tag" }, t("automatic")),
      h("time", { datetime: message.at, title: formatFully(message.at) }, formatTime(message.at)),
      message.direction === "out" && drawStatus(message),
    ),
    // The customer's own text: never anything but text.
    message.text === null || message.text === undefined
      ? h("p", { class: "text muted" }, t("unreadable-message"))
      : h("p", { class: "text", dir: "auto" }, message.text),
    message.failure && h("p", { class: "failure" }, t("failed-because", { reason: explainReason(message.failure) })),
    message.attachments.length > 0 && h("ul", { class: "files" }, message.attachments.map((file) => h("li", {}, drawFile(file)))),
  );
}

function drawStatus(message) {
  return h("span", { class: "status", data: { status: message.status } }, t(`status.${message.status}`));
}

/** A link alone would carry no token: the bytes are fetched, then handed to the browser as a file. */
function drawFile(file) {
  const size = file.size_bytes === null ? "" : ` (${formatSize(file.size_bytes)})`;
  const fetchFile = async (event) => {
    event.preventDefault();
    try {
      hand(await download(file.url), file.name);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      notify(explainProblem(problem), "problem");
    }
  };
  return h("a", { href: file.url, download: file.name, on: { click: fetchFile } }, file.name, size);
}

function hand(bytes, name) {
  const address = URL.createObjectURL(bytes);
  h("a", { href: address, download: name }).click();
  // The browser reads it in its own time.
  setTimeout(() => URL.revokeObjectURL(address), RELEASE_MS);
}

function formatSize(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} kB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
