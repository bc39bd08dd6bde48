import { Children, cloneElement, type HTMLAttributes, type ReactElement, type ReactNode } from "react";
import { Head } from "@/components/ui/chart";

type Element = ReactElement<HTMLAttributes<HTMLElement> & { children?: ReactNode; "data-head"?: string }>;

/**
 * A table of rows; where it has no room for its columns, each row stands as a list of its cells under their heads.
 * `name` says what it holds, to who cannot see it. A row is a `tr`, and has one `th` or `td` for each of `heads`.
 */
export function Table({ name, heads, children }: { name: string; heads: string[]; children: ReactNode }) {
  const rows = Children.toArray(children) as Element[];
  return (
    <div className="rounded-2xl border border-line bg-surface px-4 py-2" data-stacks role="region" aria-label={name}>
      {/* Said once more by role: what is not laid out as a table is none to who hears it. */}
      <table role="table" className="w-full text-sm">
        <thead role="rowgroup" className="text-muted">
          <tr role="row">
            {heads.map((head) => (head ? <Head key={head}>{head}</Head> : <td key="" />))}
          </tr>
        </thead>
        <tbody
          role="rowgroup"
          className="[&_td]:py-2 [&_td]:pe-3 [&_td]:align-top [&_th]:py-2 [&_th]:pe-3 [&_th]:text-start [&_th]:align-top [&_tr]:border-line [&_tr]:border-t"
        >
          {rows.map((row) => cloneElement(row, { role: "row" }, (Children.toArray(row.props.children) as Element[]).map((cell, place) => headed(cell, heads[place]))))}
        </tbody>
      </table>
    </div>
  );
}

function headed(cell: Element, head: string | undefined): Element {
  const role = cell.type === "th" ? "rowheader" : "cell";
  return cloneElement(cell, { role, ...(head ? { "data-head": head } : {}) });
}
