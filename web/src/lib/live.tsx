import { useSyncExternalStore } from "react";

/**
 * The two live regions of a page: short statuses, and messages once they are finished. Nothing else on a page is one,
 * and no token is said while an answer streams.
 */
const said = { status: "", message: "" };
const listeners = new Set<() => void>();

function say(region: keyof typeof said, text: string) {
  // The same words again are said again: a different string makes the region change.
  said[region] = said[region] === text ? `${text}\u00a0` : text;
  for (const listener of listeners) listener();
}

/** Say a short status: "Copied", "Searching iFixit…". */
export function announce(text: string): void {
  say("status", text);
}

/** Say a finished message. */
export function readOut(text: string): void {
  say("message", text);
}

/** Say no more of it: somebody else is here now. */
export function hush(): void {
  said.status = said.message = "";
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function LiveRegions() {
  const status = useSyncExternalStore(subscribe, () => said.status);
  const message = useSyncExternalStore(subscribe, () => said.message);
  return (
    <div className="sr-only" data-print="hide">
      <div role="status" aria-live="polite" data-live="status">
        {status}
      </div>
      <div aria-live="polite" data-live="message">
        {message}
      </div>
    </div>
  );
}
