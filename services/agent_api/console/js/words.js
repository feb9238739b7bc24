// The language of the page: which one it is, texts by key, and times and durations as people of that language write them.
// Texts stand in words.LANGUAGE.js and words_said.LANGUAGE.js and nowhere else. Called by every view.

import { en } from "./words.en.js";
import { it } from "./words.it.js";

const KEY = "centralino.language";
const languages = { en, it };
let language = preferred();

function preferred() {
  const chosen = localStorage.getItem(KEY);
  if (chosen in languages) return chosen;
  return navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in languages) ?? "en";
}

/** The codes of all languages. */
export const LANGUAGES = Object.keys(languages);

/** The code of the one in use. */
export function currentLanguage() {
  return language;
}

/** Use another one from now on; whoever calls this draws the page again. */
export function chooseLanguage(code) {
  language = code;
  localStorage.setItem(KEY, code);
}

/** The text under this key, with values where it takes some. A key that no language has is shown as it is. */
export function t(key, values = {}) {
  const text = languages[language][key] ?? en[key] ?? key;
  return typeof text === "function" ? text(values) : text;
}

/** Whether there is a text under this key. */
export function hasText(key) {
  return key in en;
}

/** 14:05, with the day where it is not today. */
export function formatTime(at) {
  const time = new Date(at);
  const today = time.toDateString() === new Date().toDateString();
  const day = today ? {} : { day: "numeric", month: "short" };
  return new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...day }).format(time);
}

/** The whole of it, for titles. */
export function formatFully(at) {
  return new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "medium" }).format(new Date(at));
}

/** 42 s, 3 min, 1 h 05 min, 2 d. */
export function formatDuration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24)} ${t("days")}`;
}

/** 0:42, 12:05: for countdowns and waits. */
export function formatCountdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
  return formatDuration(ms);
}

/** 93 %. */
export function formatShare(share) {
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 }).format(share);
}
