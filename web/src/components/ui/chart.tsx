import { type ReactNode, useId, useState } from "react";
import { cn } from "@/lib/cn";
import { Button } from "./button";

/** One bar: what stands under it, how tall it is, what of it is marked, and where it leads. */
export interface Bar {
  key: string;
  label: string;
  value: number;
  /** The part of the value that is drawn in another colour: what failed, who came back. */
  marked?: number;
  href?: string;
  /** All that the bar says, for who cannot see it. */
  says: string;
}

const HEIGHT = 100;

/**
 * Bars over time. Each leads to what is behind it, and can be reached by Tab; the same as a table is one button away.
 * Drawn in SVG that stretches, so its words stand beside it in HTML.
 */
export function Bars({
  title,
  total,
  bars,
  columns,
  format = String,
  onOpen,
  className,
}: {
  title: string;
  total?: ReactNode;
  bars: Bar[];
  /** Heads of the table: of the label, the value, what is marked. */
  columns: [string, string, string?];
  format?: (value: number) => string;
  onOpen?: (bar: Bar) => void;
  className?: string;
}) {
  const [asTable, setAsTable] = useState(false);
  const id = useId();
  const most = Math.max(0, ...bars.map((bar) => bar.value));
  const top = nice(most);
  const first = bars[0];
  const last = bars.at(-1);
  return (
    <figure className={cn("grid grid-cols-1 content-start gap-3 rounded-2xl border border-line bg-surface p-4", className)} aria-labelledby={id}>
      <div className="flex items-start justify-between gap-2">
        <figcaption id={id}>
          <span className="block text-muted text-sm">{title}</span>
          {total !== undefined && <span className="block w-fit font-semibold text-xl tabular-nums">{total}</span>}
        </figcaption>
        <Button size="sm" variant="quiet" aria-pressed={asTable} onClick={() => setAsTable(!asTable)} aria-label={`${title}: as a table`}>
          Table
        </Button>
      </div>
      {asTable ? (
        <div className="max-h-64 overflow-auto" tabIndex={0} role="region" aria-label={`${title}, table`}>
          <table className="w-full text-sm tabular-nums">
            <thead className="sticky top-0 bg-surface text-muted">
              <tr>
                {columns.map((head) => head && <Head key={head}>{head}</Head>)}
              </tr>
            </thead>
            <tbody>
              {bars.map((bar) => (
                <tr key={bar.key} className="border-line border-t">
                  <th scope="row" className="py-1.5 pe-3 text-start font-normal">
                    <Opened bar={bar} {...(onOpen ? { onOpen } : {})}>
                      {bar.label}
                    </Opened>
                  </th>
                  <td className="py-1.5 pe-3">{format(bar.value)}</td>
                  {columns[2] && <td className="py-1.5">{format(bar.marked ?? 0)}</td>}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <div>
          <div className="flex gap-2">
            <svg
              viewBox={`0 0 ${Math.max(1, bars.length) * 10} ${HEIGHT}`}
              preserveAspectRatio="none"
              className="h-32 min-w-0 flex-1"
              role="group"
              aria-label={title}
            >
              <line x1="0" x2={bars.length * 10} y1={HEIGHT} y2={HEIGHT} className="stroke-line-strong" vectorEffect="non-scaling-stroke" />
              <line x1="0" x2={bars.length * 10} y1="0" y2="0" className="stroke-line" strokeDasharray="3 4" vectorEffect="non-scaling-stroke" />
              {bars.map((bar, place) => (
                <Drawn key={bar.key} bar={bar} x={place * 10} top={top} {...(onOpen ? { onOpen } : {})} />
              ))}
            </svg>
            <div aria-hidden className="flex h-32 flex-col justify-between text-muted text-xs tabular-nums">
              <span className="-mt-2">{format(top)}</span>
              <span className="-mb-2">0</span>
            </div>
          </div>
          <div aria-hidden className="mt-1.5 flex justify-between pe-8 text-muted text-xs">
            <span>{first?.label}</span>
            {bars.length > 2 && <span>{last?.label}</span>}
          </div>
        </div>
      )}
    </figure>
  );
}

function Drawn({ bar, x, top, onOpen }: { bar: Bar; x: number; top: number; onOpen?: (bar: Bar) => void }) {
  const height = top ? (bar.value / top) * HEIGHT : 0;
  const marked = bar.value ? height * Math.min(1, (bar.marked ?? 0) / bar.value) : 0;
  const shape = (
    <>
      <title>{bar.says}</title>
      <rect x={x} y={0} width={10} height={HEIGHT} className="fill-transparent" />
      <rect
        x={x + 1.2}
        y={HEIGHT - Math.max(height, bar.value ? 1 : 0)}
        width={7.6}
        height={Math.max(height, bar.value ? 1 : 0)}
        className="fill-accent/75 transition-colors group-hover:fill-accent group-focus-visible:fill-accent-hover"
      />
      {marked > 0 && <rect x={x + 1.2} y={HEIGHT - Math.max(marked, 1.5)} width={7.6} height={Math.max(marked, 1.5)} className="fill-danger" />}
    </>
  );
  if (!bar.href || !bar.value)
    return (
      <g role="img" aria-label={bar.says}>
        {shape}
      </g>
    );
  return (
    <a
      href={bar.href}
      aria-label={bar.says}
      className="group cursor-pointer"
      onClick={(event) => {
        if (!onOpen || event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        onOpen(bar);
      }}
    >
      {shape}
    </a>
  );
}

function Opened({ bar, onOpen, children }: { bar: Bar; onOpen?: (bar: Bar) => void; children: ReactNode }) {
  if (!bar.href || !bar.value) return children;
  return (
    <a
      href={bar.href}
      className="text-accent-ink underline underline-offset-2"
      onClick={(event) => {
        if (!onOpen || event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        onOpen(bar);
      }}
    >
      {children}
    </a>
  );
}

export function Head({ children }: { children: ReactNode }) {
  return (
    <th scope="col" className="py-1.5 pe-3 text-start font-medium">
      {children}
    </th>
  );
}

/** The next number of the form 1, 2 or 5 × 10ⁿ: what an axis ends with. */
export function nice(most: number): number {
  if (most <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(most));
  const found = [1, 2, 5, 10].find((times) => times * unit >= most) ?? 10;
  return found * unit;
}

/** 1234567 → "1.2M": what fits over a chart. */
export function brief(value: number): string {
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value);
}
