import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { ScrollText } from "lucide-react";
import { held } from "@/api/client";
import { useApi } from "@/api/house";
import { Button } from "@/components/ui/button";
import { More } from "@/components/ui/more";
import { Empty, Failure, Loading } from "@/components/ui/states";
import { ago, exactly } from "@/lib/dates";
import { totalOf } from "./filter";
import { Table } from "./table";

/** What administrators looked at, the newest first. It is only ever added to. */
export function Audit() {
  const api = useApi();
  const { user_id } = useSearch({ strict: false }) as { user_id?: string };
  const log = useInfiniteQuery({
    queryKey: ["admin", "audit", user_id],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      held(api.http.GET("/api/v1/admin/audit", { params: { query: { limit: 50, ...(user_id ? { user_id } : {}), ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (last) => last.next ?? null,
    staleTime: 0,
  });
  const first = log.data?.pages[0];
  const items = log.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="grid grid-cols-1 gap-4">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <p className="text-muted text-sm" data-total>
          {first ? `${totalOf(first)} ${first.total === 1 ? "entry" : "entries"}${user_id ? " about one person" : ""}` : "…"}
        </p>
        {user_id && (
          <Button asChild size="sm">
            <Link to="/admin/$" params={{ _splat: "audit" }} search={{} as never}>
              About everybody
            </Link>
          </Button>
        )}
      </div>
      {log.isPending && <Loading lines={8} />}
      {log.isError && <Failure error={log.error} onRetry={() => void log.refetch()} />}
      {first && items.length === 0 && <Empty icon={<ScrollText />} title="Nothing was looked at" />}
      {items.length > 0 && (
        <Table name="Audit log" heads={["When", "Who", "Did", "Whose", "Detail"]}>
          {items.map((entry) => (
            <tr key={entry.id}>
              <td>
                <time dateTime={entry.at} title={exactly(entry.at)} className="whitespace-nowrap">
                  {ago(entry.at)}
                </time>
              </td>
              <td>{entry.who?.email ?? <span className="text-muted">Erased since</span>}</td>
              <td>
                <code className="text-[0.8125rem]">{entry.action}</code>
              </td>
              <td>
                {entry.whose ? (
                  <Link to="/admin/$" params={{ _splat: "audit" }} search={{ user_id: entry.whose.id } as never} className="text-accent-ink underline underline-offset-2">
                    {entry.whose.email ?? "A guest"}
                  </Link>
                ) : (
                  <span className="text-muted">{entry.of_somebody ? "Erased since" : "–"}</span>
                )}
              </td>
              <td className="max-w-72 text-muted text-xs [overflow-wrap:anywhere]">
                {Object.entries(entry.detail)
                  .map(([name, value]) => `${name}: ${String(value)}`)
                  .join(", ")}
              </td>
            </tr>
          ))}
        </Table>
      )}
      <More list={log} />
    </div>
  );
}
