// Who is signed in on this page: the token, kept as long as the browser's tab lives. Called by the API's client and by main.

const KEY = "centralino.session";

/** `{agent, token}` or null. */
export function readSession() {
  try {
    const session = JSON.parse(sessionStorage.getItem(KEY));
    return session && session.token && session.agent ? session : null;
  } catch {
    return null; // Somebody else's value under our key.
  }
}

/** Keep it. */
export function saveSession(agent, token) {
  sessionStorage.setItem(KEY, JSON.stringify({ agent, token }));
}

/** Forget it. */
export function clearSession() {
  sessionStorage.removeItem(KEY);
}
