import {
  cloneElement,
  type ComponentProps,
  createContext,
  type KeyboardEvent,
  type ReactElement,
  type ReactNode,
  use,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { cn } from "@/lib/cn";

const Close = createContext<() => void>(() => undefined);
const ROOM = 8;

/**
 * A menu that a button opens: `<Menu button={<Button …/>}><MenuItem onSelect={…}>…</MenuItem></Menu>`. The browser's own
 * popover: it closes by Esc and by a click elsewhere, and gives the focus back.
 */
export function Menu({
  button,
  children,
  align = "end",
}: {
  button: ReactElement<ComponentProps<"button"> & { "data-state"?: string }>;
  children: ReactNode;
  align?: "start" | "end";
}) {
  const id = useId();
  const opener = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);

  useLayoutEffect(() => {
    if (!open || !list.current || !opener.current) return;
    place(list.current, opener.current.getBoundingClientRect(), align);
    items(list.current)[0]?.focus();
  }, [open, align]);

  const close = () => list.current?.hidePopover();
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return; // the browser's
    const all = items(list.current);
    const at = all.indexOf(document.activeElement as HTMLElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Tab") close();
    if (next !== undefined) all.at(next % all.length)?.focus();
    else if (event.key.length === 1) {
      const after = [...all.slice(at + 1), ...all.slice(0, at + 1)];
      after.find((item) => item.textContent?.trim().toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
    }
    if (next !== undefined || event.key.length === 1) {
      event.preventDefault();
      event.stopPropagation();
      if (event.key === " ") (document.activeElement as HTMLElement).click();
    }
  };

  return (
    <>
      {cloneElement(button, {
        ref: opener,
        popoverTarget: id,
        "aria-haspopup": "menu",
        "aria-expanded": open,
        "data-state": open ? "open" : "closed",
      })}
      <div
        ref={list}
        id={id}
        popover="auto"
        role="menu"
        onToggle={(event) => setOpen(event.newState === "open")}
        onKeyDown={onKeyDown}
        className="fixed inset-auto m-0 min-w-44 rounded-xl border border-line bg-surface p-1 text-ink text-sm shadow-float"
      >
        {open && <Close value={close}>{children}</Close>}
      </div>
    </>
  );
}

export function MenuItem({
  className,
  danger,
  onSelect,
  ...rest
}: Omit<ComponentProps<"button">, "onSelect"> & { danger?: boolean; onSelect: () => void }) {
  const close = use(Close);
  return (
    <button
      type="button"
      role="menuitem"
      tabIndex={-1}
      onClick={() => {
        close();
        onSelect();
      }}
      onPointerMove={(event) => event.currentTarget.focus({ preventScroll: true })}
      className={cn(
        "flex w-full select-none items-center gap-2.5 rounded-lg px-2.5 py-1.5 text-start outline-none focus:bg-ink/7 disabled:opacity-50 [&_svg]:size-4",
        danger ? "text-danger" : "[&_svg]:text-muted",
        className,
      )}
      {...rest}
    />
  );
}

export function MenuLine() {
  return <hr className="my-1 border-line border-t" />;
}

function items(list: HTMLElement | null): HTMLElement[] {
  return [...(list?.querySelectorAll<HTMLElement>("[role=menuitem]:not(:disabled)") ?? [])];
}

/** Below the button, or above where there is no room; aligned with its start or its end, whichever way the text runs. */
function place(list: HTMLElement, button: DOMRect, align: "start" | "end"): void {
  const { offsetWidth: width, offsetHeight: height } = list;
  const atLeft = (align === "start") !== (getComputedStyle(list).direction === "rtl");
  const left = atLeft ? button.left : button.right - width;
  const below = button.bottom + ROOM / 2;
  const top = below + height > innerHeight - ROOM ? button.top - height - ROOM / 2 : below;
  list.style.left = `${Math.max(ROOM, Math.min(left, innerWidth - width - ROOM))}px`;
  list.style.top = `${Math.max(ROOM, top)}px`;
}
