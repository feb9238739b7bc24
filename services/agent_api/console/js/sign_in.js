// The form to sign in with. Called by main.

import { h, say } from "./dom.js";
import { drawLanguages } from "./languages.js";
import { t } from "./words.js";

/** The form. `onSubmit(agent, password)` gives a promise of the sentence that says why not; `sentence`: why the form is here at all. */
export function drawSignIn({ sentence, onLanguage, onSubmit }) {
  const agent = h("input", { id: "agent", name: "agent", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true });
  const password = h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true });
  const button = h("button", { class: "primary" }, t("sign-in"));
  const problem = h("p", { class: "problem", role: "alert" }, sentence);
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    say(problem, "");
    const refusal = await onSubmit(agent.value.trim(), password.value);
    button.disabled = false;
    say(problem, refusal);
    if (refusal) password.select();
  };
  return h(
    "main",
    { class: "sign-in" },
    h(
      "form",
      { on: { submit } },
      h("h1", {}, "Centralino"),
      h("p", { class: "muted" }, t("tagline")),
      problem,
      h("label", { for: "agent" }, t("agent")),
      agent,
      h("label", { for: "password" }, t("password")),
      password,
      button,
    ),
    drawLanguages(onLanguage),
  );
}
