import { useSyncExternalStore } from "react";
import { announce } from "@/lib/live";
import { Button } from "./button";

interface Toast {
  id: number;
  text: string;
  action?: { label: string; run: () => void };
  /** Whoever points at it or has come to it needs more time. */
  hold: () => void;
  release: () => void;
}

const SECONDS = 6;

let shown: Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();

function set(toasts: Toast[]) {
  shown = toasts;
  for (const listener of listeners) listener();
}

/** A few words at the edge of the page that go by themselves. `onGone` runs unless the action was taken. */
export function toast(text: string, options: { action?: { label: string; run: () => void }; onGone?: () => void } = {}): void {
  const id = next++;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hold = () => clearTimeout(timer);
  const remove = () => {
    hold();
    set(shown.filter((toast) => toast.id !== id));
  };
  const go = () => {
    remove();
    options.onGone?.();
  };
  const release = () => {
    hold();
    if (shown.some((toast) => toast.id === id)) timer = setTimeout(go, SECONDS * 1000);
  };
  const action = options.action && {
    label: options.action.label,
    run: () => {
      remove();
      options.action?.run();
    },
  };
  announce(text);
  set([...shown, { id, text, hold, release, ...(action ? { action } : {}) }].slice(-3));
  release();
}

export function Toasts() {
  const toasts = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => shown,
  );
  return (
    <section aria-label="Notices" className="pointer-events-none fixed inset-x-3 bottom-24 z-50 grid justify-items-center gap-2" data-print="hide">
      {toasts.map(({ id, text, action, hold, release }) => (
        <div key={id} onPointerEnter={hold} onPointerLeave={release} onFocus={hold} onBlur={release} className="pointer-events-auto flex items-center gap-3 rounded-xl bg-ink py-1.5 ps-4 pe-2 text-paper text-sm shadow-float animate-in fade-in slide-in-from-bottom-2">
          <span className="py-1">{text}</span>
          {action && (
            <Button size="sm" variant="ghost" className="text-paper! underline underline-offset-2 hover:bg-paper/15!" onClick={action.run}>
              {action.label}
            </Button>
          )}
        </div>
      ))}
    </section>
  );
}
