// Short messages that come and go, and what is read out to those who do not see the page. Called by views.

import { h } from "./dom.js";
import { t } from "./words.js";

const SHOWN_MS = 7000;
const SHOWN_MAX = 4;

/** Show a sentence for a few seconds. `kind`: "plain" or "problem", which stays until somebody closes it. */
export function notify(text, kind = "plain") {
  const place = document.getElementById("notices");
  const close = () => notice.remove();
  const notice = h(
    "div",
    { class: "notice", role: kind === "problem" ? "alert" : "status", data: { kind } },
    h("span", {}, text),
    h("button", { type: "button", class: "close", "aria-label": t("close"), on: { click: close } }, "×"),
  );
  // The same sentence twice says nothing new.
  for (const shown of place.children) if (shown.firstChild.textContent === text) shown.remove();
  place.append(notice);
  while (place.children.length > SHOWN_MAX) place.firstElementChild.remove();
  if (kind !== "problem") setTimeout(close, SHOWN_MS);
}

/** Have a sentence read out at once. */
export function announce(text) {
  const place = document.getElementById("announcements");
  place.replaceChildren(h("p", {}, text));
}
