import { useInfiniteQuery } from "@tanstack/react-query";
import { Tag } from "lucide-react";
import { useState } from "react";
import { held, type Schema } from "@/api/client";
import { useApi } from "@/api/house";
import { SafeLink } from "@/chat/SafeLink";
import { Badge } from "@/components/ui/badge";
import { More } from "@/components/ui/more";
import { Empty, Failure, Loading } from "@/components/ui/states";
import { ago } from "@/lib/dates";
import { SearchField } from "./search";
import { Table } from "./table";

type Course = Schema<"CourseOut">;

/** What courses cost, for one and for groups, as the price lists have it that were brought in. */
export function Prices() {
  const api = useApi();
  const [q, setQ] = useState("");
  const courses = useInfiniteQuery({
    queryKey: ["admin", "courses", q],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      held(api.http.GET("/api/v1/admin/courses", { params: { query: { limit: 50, ...(q ? { q } : {}), ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (last) => last.next ?? null,
  });
  const first = courses.data?.pages[0];
  const items = courses.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="grid grid-cols-1 gap-4">
      <div className="flex max-w-md">
        <SearchField label="Course" value={q} onSearch={setQ} />
      </div>
      <p className="text-muted text-sm" data-total>
        {first ? `${first.total.toLocaleString("en")} ${first.total === 1 ? "course" : "courses"}` : "…"}
      </p>
      {courses.isPending && <Loading lines={5} />}
      {courses.isError && <Failure error={courses.error} onRetry={() => void courses.refetch()} />}
      {first && items.length === 0 && (
        <Empty icon={<Tag />} title={q ? "There is no such course" : "There are no prices yet"}>
          {!q && "`rekindle prices FILE` brings a price list in."}
        </Empty>
      )}
      {items.length > 0 && (
        <Table name="Courses and their prices" heads={["Course", "For one", "For groups", "Changed"]}>
          {items.map((course) => (
            <tr key={course.id}>
              <th scope="row" className="font-normal">
                <span className="flex flex-wrap items-center gap-2 font-medium" dir="auto">
                  {course.url ? (
                    <SafeLink href={course.url} className="text-accent-ink underline underline-offset-2">
                      {course.name}
                    </SafeLink>
                  ) : (
                    course.name
                  )}
                  {course.assistant && <Badge>{course.assistant}</Badge>}
                </span>
                <span className="text-muted text-xs" dir="auto">
                  {[course.code, course.description].filter(Boolean).join(" · ")}
                </span>
              </th>
              <td>
                <List prices={course.individual.map((price) => ({ says: amount(price), valid: valid(price) }))} />
              </td>
              <td>
                <List prices={course.group.map((price) => ({ says: `${people(price)}: ${amount(price)} a ${price.per}`, valid: valid(price) }))} />
              </td>
              <td className="whitespace-nowrap text-muted">{ago(course.updated_at)}</td>
            </tr>
          ))}
        </Table>
      )}
      <More list={courses} />
    </div>
  );
}

function List({ prices }: { prices: { says: string; valid: string }[] }) {
  if (prices.length === 0) return <span className="text-muted">–</span>;
  // Days that all of them have in common are said once.
  const common = new Set(prices.map(({ valid }) => valid)).size === 1 ? prices[0]?.valid : undefined;
  return (
    <div>
      <ul className="grid gap-0.5 tabular-nums">
        {prices.map(({ says, valid }) => (
          <li key={says + valid}>
            <span className="whitespace-nowrap">{says}</span> {common === undefined && <span className="whitespace-nowrap text-muted text-xs">{valid}</span>}
          </li>
        ))}
      </ul>
      {common && <p className="text-muted text-xs">{common}</p>}
    </div>
  );
}

function amount({ price, currency }: { price: string; currency: string }): string {
  return `${price} ${currency}`;
}

function people({ min_people, max_people }: Course["group"][number]): string {
  return max_people === null ? `${min_people} or more` : `${min_people}–${max_people}`;
}

function valid({ valid_from, valid_to }: { valid_from: string | null; valid_to: string | null }): string {
  if (!valid_from && !valid_to) return "";
  return [valid_from && `from ${valid_from}`, valid_to && `to ${valid_to}`].filter(Boolean).join(" ");
}
