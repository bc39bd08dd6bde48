import type { ComponentProps, ReactNode } from "react";
import { cn } from "@/lib/cn";

export function Card({ className, ...rest }: ComponentProps<"section">) {
  return <section className={cn("rounded-2xl border border-line bg-surface p-5", className)} {...rest} />;
}

/** The head of a view: what it is, one line about it, and what can be done with all of it. */
export function ViewHead({ title, children, actions }: { title: string; children?: ReactNode; actions?: ReactNode }) {
  return (
    <header className="mb-6 flex flex-wrap items-end justify-between gap-3">
      <div className="grid gap-1">
        <h1 className="font-semibold text-2xl tracking-tight">{title}</h1>
        {children && <p className="max-w-prose text-balance text-muted">{children}</p>}
      </div>
      {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
    </header>
  );
}

/** The frame of a view that scrolls: readable width, room at the edges. */
export function View({ className, wide, ...rest }: ComponentProps<"div"> & { wide?: boolean }) {
  return (
    <div className="h-full overflow-y-auto" data-print="flow">
      <div className={cn("mx-auto w-full px-4 py-8 sm:px-8", wide ? "max-w-6xl" : "max-w-3xl", className)} {...rest} />
    </div>
  );
}
