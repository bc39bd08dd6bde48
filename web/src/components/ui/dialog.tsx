import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { type ComponentProps, type ReactNode, useRef } from "react";
import { cn } from "@/lib/cn";
import { Button } from "./button";

/** Gives the focus back to where it was when a dialog opened, unless it is somewhere already: Radix does so for its own triggers only. */
function useGivesBack(open: boolean) {
  const from = useRef<Element | null>(null);
  const was = useRef(false);
  if (open && !was.current) from.current = document.activeElement;
  was.current = open;
  return (event: Event) => {
    event.preventDefault();
    const free = document.activeElement === null || document.activeElement === document.body;
    const to = from.current?.isConnected ? from.current : document.getElementById("main");
    if (free && to instanceof HTMLElement) to.focus();
  };
}

/** A dialog over the page; it traps the focus and gives it back. `title` is always there for screen readers. */
export function Dialog({
  open,
  onOpenChange,
  title,
  description,
  hideTitle,
  className,
  children,
  ...rest
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  description?: string;
  hideTitle?: boolean;
  children: ReactNode;
} & Omit<ComponentProps<typeof Radix.Content>, "title">) {
  const giveBack = useGivesBack(open);
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-black/40 data-[state=closed]:animate-out data-[state=closed]:fade-out data-[state=open]:animate-in data-[state=open]:fade-in" />
        <Radix.Content
          {...(description ? {} : { "aria-describedby": undefined })}
          onCloseAutoFocus={giveBack}
          className={cn(
            "fixed inset-x-3 top-[12vh] z-50 mx-auto flex max-h-[78vh] max-w-lg flex-col gap-4 overflow-y-auto rounded-2xl border border-line bg-surface p-5 shadow-float outline-none data-[state=open]:animate-in data-[state=open]:fade-in data-[state=open]:zoom-in-98",
            className,
          )}
          {...rest}
        >
          <div className={cn("grid gap-1 pe-9", hideTitle && "sr-only")}>
            <Radix.Title className="text-lg font-semibold">{title}</Radix.Title>
            {description && <Radix.Description className="text-muted text-sm">{description}</Radix.Description>}
          </div>
          {children}
          <Radix.Close asChild>
            <Button variant="quiet" size="icon-sm" aria-label="Close" className="absolute end-3 top-3">
              <X />
            </Button>
          </Radix.Close>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** A panel that comes in from the side of the page. */
export function Sheet({
  open,
  onOpenChange,
  title,
  side = "start",
  className,
  children,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  side?: "start" | "end";
  className?: string;
  children: ReactNode;
}) {
  const giveBack = useGivesBack(open);
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-black/40 data-[state=open]:animate-in data-[state=open]:fade-in" />
        <Radix.Content
          aria-describedby={undefined}
          onCloseAutoFocus={giveBack}
          className={cn(
            "fixed inset-y-0 z-50 flex w-[19rem] max-w-[88vw] flex-col bg-sunken shadow-float outline-none",
            side === "start" ? "start-0" : "end-0",
            className,
          )}
        >
          <Radix.Title className="sr-only">{title}</Radix.Title>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** Asks before something is done that cannot be undone. */
export function Confirm({
  open,
  onOpenChange,
  title,
  description,
  action,
  onConfirm,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  description: string;
  action: string;
  onConfirm: () => void;
}) {
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title={title} description={description} role="alertdialog">
      <div className="flex justify-end gap-2">
        <Button onClick={() => onOpenChange(false)}>Cancel</Button>
        <Button
          variant="danger"
          onClick={() => {
            onOpenChange(false);
            onConfirm();
          }}
        >
          {action}
        </Button>
      </div>
    </Dialog>
  );
}
