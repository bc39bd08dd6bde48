/**
 * What `<script src="https://chat.example/widget.js" async></script>` puts on a site: a button, a frame behind it, and
 * `window.Rekindle`. Everything is inside one element with a shadow root, so neither page changes the other's looks.
 *
 * Attributes of the script: `data-assistant`, `data-title`, `data-theme` (light or dark), `data-open` (shown at once),
 * `data-no-button` (the site has its own).
 */
import type { ToFrame, ToSite } from "./words";

type Name = "ready" | "open" | "close" | "session" | "answer";
type Listener = (detail: Record<string, unknown>) => void;

export interface RekindleWidget {
  /** Show the chat. */
  open(): void;
  /** Hide it; what runs goes on. */
  close(): void;
  /** Say who the site's user is, by a JWT that the site's server has signed; null: nobody is signed in. */
  setUser(token: string | null): void;
  /** Forget who was here: the next one begins as a stranger. */
  reset(): void;
  /** Hear of `ready`, `open`, `close`, `session` and `answer`. Gives the function that ends it. */
  on(name: Name, listener: Listener): () => void;
}

const KEPT = "rekindle.widget";

const STYLE = `
:host { all: initial !important; }
button, .frame { position: fixed; z-index: 2147483000; inset-inline-end: max(20px, env(safe-area-inset-right)); }
button { bottom: max(20px, env(safe-area-inset-bottom)); width: 56px; height: 56px; border: 0; border-radius: 18px;
  background: #a93f18; cursor: pointer; padding: 0; box-shadow: 0 8px 24px rgb(0 0 0 / .25); }
button:hover { background: #8d3311; }
button:focus-visible { outline: 3px solid #a93f18; outline-offset: 3px; }
button svg { width: 28px; height: 28px; display: block; margin: auto; }
.frame { bottom: 90px; width: min(400px, calc(100vw - 40px)); height: min(640px, calc(100dvh - 110px)); border: 0;
  border-radius: 18px; box-shadow: 0 16px 48px rgb(0 0 0 / .28); background: Canvas; color-scheme: light dark; }
.frame[hidden], button[hidden] { display: none; }
@media (max-width: 480px) { .frame { inset: 0; width: 100vw; height: 100dvh; border-radius: 0; } }
@media print { :host { display: none !important; } }
`;

/** What stands on the button: a word balloon; while the chat is shown, what puts it away. */
const OPEN = "M21 12a8 8 0 0 1-11.5 7.2L4 21l1.8-5.5A8 8 0 1 1 21 12z";
const CLOSE = "M6 9l6 6 6-6";

/** Made part by part: a site's policy of trusted types lets no text become elements. */
function picture(d: string): SVGSVGElement {
  const made = (name: string, attributes: Record<string, string>) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
    return element;
  };
  const svg = made("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }) as SVGSVGElement;
  svg.append(made("path", { d, fill: "none", stroke: "#fff", "stroke-width": "2", "stroke-linecap": "round", "stroke-linejoin": "round" }));
  return svg;
}

function build(script: HTMLScriptElement): RekindleWidget {
  const server = new URL(script.src, location.href).origin;
  const { assistant, title = "Chat", theme, open: openAtOnce, noButton } = script.dataset;
  const listeners = new Map<Name, Set<Listener>>();
  let frame: HTMLIFrameElement | null = null;
  let token: string | null = null;
  let ready = false;
  let shown = false;
  let before: Element | null = null;

  const host = document.createElement("div");
  host.dataset.rekindle = "";
  const root = host.attachShadow({ mode: "open" });
  // A sheet that is made, not written into the page: a site's policy against inline styles does not mind it.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  const button = document.createElement("button");
  button.type = "button";
  button.hidden = noButton !== undefined;
  button.addEventListener("click", () => (shown ? close() : open()));
  button.addEventListener("keydown", (event) => event.key === "Escape" && close());
  root.append(button);
  label();

  function label() {
    button.replaceChildren(picture(shown ? CLOSE : OPEN));
    button.setAttribute("aria-label", shown ? `Close ${title}` : `Open ${title}`);
    button.setAttribute("aria-expanded", String(shown));
  }

  function tell(name: Name, detail: Record<string, unknown> = {}) {
    for (const listener of listeners.get(name) ?? []) {
      try {
        listener(detail);
      } catch (error) {
        reportError(error);
      }
    }
  }

  function say(message: ToFrame) {
    frame?.contentWindow?.postMessage(message, server);
  }

  /** Shows the chat; unless the site does so on its own account, the keyboard goes there, too. */
  function open(asked = true) {
    if (!frame) {
      frame = document.createElement("iframe");
      frame.className = "frame";
      frame.title = title;
      frame.allow = "clipboard-write";
      const query = Object.entries({ assistant, title: script.dataset.title, theme }).filter((pair): pair is [string, string] => Boolean(pair[1]));
      frame.src = `${server}/widget?${new URLSearchParams(query)}`;
      if (theme === "light" || theme === "dark") frame.style.colorScheme = theme;
      root.append(frame);
    }
    frame.hidden = false;
    if (shown) return;
    shown = true;
    before = document.activeElement;
    label();
    if (asked) frame.focus();
    if (ready) say({ rekindle: "shown" });
    tell("open");
  }

  function close() {
    if (!shown || !frame) return;
    shown = false;
    frame.hidden = true;
    label();
    // A site with a button of its own has that one back.
    if (!button.hidden) button.focus();
    else if (before instanceof HTMLElement) before.focus();
    tell("close");
  }

  addEventListener("message", (event: MessageEvent<ToSite>) => {
    if (!frame || event.source !== frame.contentWindow || event.origin !== server) return;
    const message = event.data;
    switch (message?.rekindle) {
      case "hello":
        say({ rekindle: "welcome", kept: keep(), token });
        break;
      case "ready":
        ready = true;
        if (shown) say({ rekindle: "shown" });
        tell("ready");
        break;
      case "keep":
        keep(message.value);
        break;
      case "close":
        close();
        break;
      case "event":
        if (message.name === "session" || message.name === "answer") tell(message.name, message.detail);
    }
  });

  const attach = () => {
    document.body.append(host);
    if (openAtOnce !== undefined) open(false);
  };
  if (document.body) attach();
  else document.addEventListener("DOMContentLoaded", attach);

  return {
    open: () => open(),
    close,
    setUser(next) {
      token = next;
      if (ready) say({ rekindle: "user", token });
    },
    reset() {
      token = null;
      keep(null);
      if (ready) say({ rekindle: "reset" });
    },
    on(name, listener) {
      const known = listeners.get(name) ?? new Set();
      known.add(listener);
      listeners.set(name, known);
      return () => known.delete(listener);
    },
  };
}

/** What this site keeps for the frame; with a value, keeps that. */
function keep(value?: string | null): string | null {
  try {
    if (value === null) localStorage.removeItem(KEPT);
    else if (value !== undefined) localStorage.setItem(KEPT, value);
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

declare global {
  interface Window {
    Rekindle?: RekindleWidget;
  }
}

const script = document.currentScript;
if (script instanceof HTMLScriptElement && !window.Rekindle) {
  window.Rekindle = build(script);
  dispatchEvent(new Event("rekindle"));
}
