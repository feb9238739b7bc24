// The switch between languages. Called by the shell and the sign-in form, which draw themselves again.

import { h } from "./dom.js";
import { chooseLanguage, currentLanguage, LANGUAGES, t } from "./words.js";

const NAMES = { en: "English", it: "Italiano" };

/** A list of the languages; `onChange()` is called after the choice. */
export function drawLanguages(onChange) {
  const change = (event) => {
    chooseLanguage(event.target.value);
    onChange();
  };
  const options = LANGUAGES.map((code) => h("option", { value: code, lang: code, selected: code === currentLanguage() }, NAMES[code]));
  return h("select", { class: "languages", "aria-label": t("language"), on: { change } }, options);
}
