import { Keyring, memoryStore, type Store } from "@/api/keyring";
import type { ToFrame, ToSite } from "./words";

const KEYS = "rekindle.widget.keys";

/** The site that the widget stands on, as the frame knows it. */
export interface Site {
  keys: Keyring;
  /** Whether the site says who its user is: then nobody is asked. */
  signedIn: boolean;
  say: (message: ToSite) => void;
  /** Hear what the site says from now on. */
  onMessage: (listener: (message: ToFrame) => void) => () => void;
}

/** Meet the site around this frame; outside of a frame there is none, and the widget stands alone. */
export async function meetSite(): Promise<Site> {
  const store = ownStore();
  if (window.parent === window) {
    return { keys: new Keyring(store ?? memoryStore()), signedIn: false, say: () => undefined, onMessage: () => () => undefined };
  }
  const listeners = new Set<(message: ToFrame) => void>();
  let origin: string | null = null;
  let welcomed: (message: Extract<ToFrame, { rekindle: "welcome" }>) => void = () => undefined;
  const welcome = new Promise<Extract<ToFrame, { rekindle: "welcome" }>>((resolve) => {
    welcomed = resolve;
  });
  const say = (message: ToSite) => {
    if (origin) window.parent.postMessage(message, origin);
  };
  addEventListener("message", (event: MessageEvent<ToFrame>) => {
    // Who may frame this page is the server's policy; who frames it is who answers.
    if (event.source !== window.parent || (origin && event.origin !== origin)) return;
    if (event.data?.rekindle === "welcome" && !origin) {
      origin = event.origin;
      welcomed(event.data);
    } else if (origin) for (const listener of listeners) listener(event.data);
  });
  // Nothing of anybody's is in it, so it may go to whoever is there.
  window.parent.postMessage({ rekindle: "hello" } satisfies ToSite, "*");
  const { kept, token } = await welcome;
  const keys = new Keyring(store ?? keptBySite(kept, say));
  if (token) signIn(keys, token);
  return {
    keys,
    signedIn: token !== null,
    say,
    onMessage: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The site's user takes the place of whoever was here. Their token is the site's to keep, so it is not stored. */
export function signIn(keys: Keyring, token: string): void {
  keys.lend({ account: token, visits: [], visitor: null });
}

/** Local storage of the frame; null where the browser closes it to frames of other sites. */
function ownStore(): Store | null {
  try {
    const test = `${KEYS}.test`;
    localStorage.setItem(test, "1");
    localStorage.removeItem(test);
  } catch {
    return null;
  }
  return {
    read: () => localStorage.getItem(KEYS),
    write: (value) => (value === null ? localStorage.removeItem(KEYS) : localStorage.setItem(KEYS, value)),
  };
}

/** A store in the site's own storage: of the tokens of a visitor's sessions, which open nothing else. */
function keptBySite(kept: string | null, say: (message: ToSite) => void): Store {
  let value = kept;
  return {
    read: () => value,
    write: (next) => {
      value = next;
      say({ rekindle: "keep", value: next });
    },
  };
}
