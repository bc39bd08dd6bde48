import { Tooltip as Radix } from "radix-ui";
import type { ReactNode } from "react";

export function TooltipProvider({ children }: { children: ReactNode }) {
  return <Radix.Provider delayDuration={400}>{children}</Radix.Provider>;
}

/** A few words beside what they are about, on hover and on focus. They repeat its name and add its key, no more. */
export function Tooltip({ text, keys, children }: { text: string; keys?: string; children: ReactNode }) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{children}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          sideOffset={6}
          className="z-50 flex items-center gap-2 rounded-lg bg-ink px-2.5 py-1 text-paper text-xs shadow-float data-[state=delayed-open]:animate-in data-[state=delayed-open]:fade-in"
        >
          {text}
          {keys && <span className="opacity-75">{keys}</span>}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
