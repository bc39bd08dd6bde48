import type { ReactNode } from "react";
import { Head } from "@/components/ui/chart";

/** A table of rows that scrolls sideways where the page is narrow. `name` says what it holds, to who cannot see it. */
export function Table({ name, heads, children }: { name: string; heads: string[]; children: ReactNode }) {
  return (
    <div className="overflow-x-auto rounded-2xl border border-line bg-surface px-4 py-2" tabIndex={0} role="region" aria-label={name}>
      <table className="w-full min-w-3xl text-sm">
        <thead className="text-muted">
          <tr>
            {heads.map((head) => (head ? <Head key={head}>{head}</Head> : <td key="" />))}
          </tr>
        </thead>
        <tbody className="[&_td]:py-2 [&_td]:pe-3 [&_td]:align-top [&_th]:py-2 [&_th]:pe-3 [&_th]:text-start [&_th]:align-top [&_tr]:border-line [&_tr]:border-t">{children}</tbody>
      </table>
    </div>
  );
}
