import { useNavigate, useRouter } from "@tanstack/react-router";
import { useEffect } from "react";
import { Dialog } from "@/components/ui/dialog";
import { useSessionActions } from "./actions";

const mac = /Mac|iPhone|iPad/.test(navigator.userAgent);
export const mod = mac ? "⌘" : "Ctrl";

/** The keys of the page, as they are shown. */
export const SHORTCUTS: [keys: string[], what: string][] = [
  [[mod, "K"], "Search"],
  [[mod, "Shift", "O"], "New session"],
  [["Shift", "Esc"], "Go to the message field"],
  [["Enter"], "Send"],
  [["Shift", "Enter"], "New line"],
  [["Esc"], "Stop the answer"],
  [["↑"], "Edit the last question, in an empty field"],
  [["?"], "Show this list"],
];

const PRELOAD_MS = 1_500;

/** Whether the keys go into a field just now. */
function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** The keys that work in every view. A chat adds its own. */
export function useShortcuts(showSheet: () => void): void {
  const navigate = useNavigate();
  const router = useRouter();
  const { begin } = useSessionActions();
  useEffect(() => {
    // Whoever presses Ctrl+K writes on at once: the view should be there.
    const timer = setTimeout(() => void router.preloadRoute({ to: "/search" }).catch(() => undefined), PRELOAD_MS);
    return () => clearTimeout(timer);
  }, [router]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const held = mac ? event.metaKey : event.ctrlKey;
      if (event.isComposing || event.defaultPrevented) return;
      if (held && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        const field = location.pathname === "/search" && document.querySelector<HTMLInputElement>("main input[type=search]");
        if (field) return field.select();
        // What is typed until the view is there is no part of a message.
        if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
        void navigate({ to: "/search" });
      } else if (held && event.shiftKey && event.key.toLowerCase() === "o") {
        event.preventDefault();
        void begin();
      } else if (event.shiftKey && event.key === "Escape") {
        event.preventDefault();
        document.querySelector<HTMLElement>("[data-composer]")?.focus();
      } else if (event.key === "?" && !held && !typing(event.target)) {
        event.preventDefault();
        showSheet();
      }
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [navigate, begin, showSheet]);
}

export function ShortcutSheet({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Keyboard shortcuts">
      <dl className="grid gap-2.5">
        {SHORTCUTS.map(([keys, what]) => (
          <div key={what} className="flex items-center justify-between gap-4">
            <dt>{what}</dt>
            <dd className="flex gap-1">
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
