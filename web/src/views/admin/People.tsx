import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ShieldCheck, UsersRound } from "lucide-react";
import { useState } from "react";
import { held } from "@/api/client";
import { useApi } from "@/api/house";
import { Badge } from "@/components/ui/badge";
import { More } from "@/components/ui/more";
import { Empty, Failure, Loading } from "@/components/ui/states";
import { ago, exactly } from "@/lib/dates";
import { totalOf } from "./filter";
import { SearchField } from "./search";
import { Table } from "./table";

/** Who has been here, the newest first; each opens their sessions. */
export function People() {
  const api = useApi();
  const [email, setEmail] = useState("");
  const people = useInfiniteQuery({
    queryKey: ["admin", "people", email],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      held(api.http.GET("/api/v1/admin/users", { params: { query: { limit: 50, ...(email ? { email } : {}), ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (last) => last.next ?? null,
  });
  const first = people.data?.pages[0];
  const items = people.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="grid grid-cols-1 gap-4">
      <div className="flex max-w-md">
        <SearchField label="The whole e-mail address" value={email} onSearch={setEmail} />
      </div>
      <p className="text-muted text-sm" data-total>
        {first ? `${totalOf(first)} ${first.total === 1 ? "person" : "people"}` : "…"}
      </p>
      {people.isPending && <Loading lines={6} />}
      {people.isError && <Failure error={people.error} onRetry={() => void people.refetch()} />}
      {first && items.length === 0 && <Empty icon={<UsersRound />} title="Nobody has this address" />}
      {items.length > 0 && (
        <Table name="People" heads={["Person", "Name", "First here", ""]}>
          {items.map((person) => (
            <tr key={person.id}>
              <th scope="row" className="font-normal">
                <span className="flex flex-wrap items-center gap-2">
                  {person.email ?? <span className="text-muted">A guest</span>}
                  {person.verified_at && (
                    <Badge tone="good">
                      <ShieldCheck aria-hidden /> Verified
                    </Badge>
                  )}
                </span>
              </th>
              <td dir="auto">{person.name}</td>
              <td>
                <time dateTime={person.created_at} title={exactly(person.created_at)} className="whitespace-nowrap">
                  {ago(person.created_at)}
                </time>
              </td>
              <td className="whitespace-nowrap">
                <Link to="/admin/$" params={{ _splat: "review" }} search={{ user_id: person.id } as never} className="text-accent-ink underline underline-offset-2">
                  Sessions
                </Link>{" "}
                <Link to="/admin/$" params={{ _splat: "audit" }} search={{ user_id: person.id } as never} className="text-accent-ink underline underline-offset-2">
                  Audit
                </Link>
              </td>
            </tr>
          ))}
        </Table>
      )}
      <More list={people} />
    </div>
  );
}
