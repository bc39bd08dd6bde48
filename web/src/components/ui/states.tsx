import { CircleAlert, LoaderCircle } from "lucide-react";
import { type ComponentProps, type ReactNode, useEffect } from "react";
import { Problem } from "@/api/problem";
import { cn } from "@/lib/cn";
import { announce } from "@/lib/live";
import { Button } from "./button";

/** Where something will be. */
export function Skeleton({ className, ...rest }: ComponentProps<"div">) {
  return <div aria-hidden className={cn("animate-pulse rounded-lg bg-ink/8", className)} {...rest} />;
}

/** Lines where a list will be; says "Loading" to who cannot see them. */
export function Loading({ lines = 4, className }: { lines?: number; className?: string }) {
  return (
    <div className={cn("grid gap-3", className)}>
      <span className="sr-only">Loading…</span>
      {Array.from({ length: lines }, (_, line) => (
        <Skeleton key={line} className="h-12" />
      ))}
    </div>
  );
}

export function Spinner({ className }: { className?: string }) {
  return <LoaderCircle aria-hidden className={cn("size-4 animate-spin", className)} />;
}

/** Nothing is here yet, and what would bring something here. */
export function Empty({
  icon,
  title,
  children,
  actions,
  heading: Heading = "h2",
}: {
  icon?: ReactNode;
  title: string;
  children?: ReactNode;
  actions?: ReactNode;
  /** `h1` where it is all there is. */
  heading?: "h1" | "h2";
}) {
  return (
    <div className="grid justify-items-center gap-3 rounded-2xl border border-line border-dashed px-6 py-12 text-center">
      {icon && <div className="text-muted [&_svg]:size-8">{icon}</div>}
      <Heading className="font-semibold">{title}</Heading>
      {children && <p className="max-w-md text-muted">{children}</p>}
      {actions && <div className="mt-1 flex flex-wrap justify-center gap-2">{actions}</div>}
    </div>
  );
}

/** What went wrong, in its own words, and the way on. */
export function Failure({ error, onRetry, className }: { error: unknown; onRetry?: () => void; className?: string }) {
  const text = Problem.caught(error).message;
  useEffect(() => announce(text), [text]);
  return (
    <div data-failure className={cn("flex flex-wrap items-center gap-3 rounded-xl bg-danger-soft px-4 py-3 text-danger text-sm", className)}>
      <CircleAlert aria-hidden className="size-4 shrink-0" />
      <p className="min-w-40 flex-1">{text}</p>
      {onRetry && (
        <Button size="sm" onClick={onRetry}>
          Retry
        </Button>
      )}
    </div>
  );
}
