import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { CircleCheck, RotateCcw } from "lucide-react";
import { held } from "@/api/client";
import { useApi } from "@/api/house";
import { Problem } from "@/api/problem";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { More } from "@/components/ui/more";
import { Empty, Failure, Loading } from "@/components/ui/states";
import { toast } from "@/components/ui/toast";
import { exactly } from "@/lib/dates";
import { Table } from "./table";

const POLL_MS = 10_000;

/** Work that did not succeed: what failed for good, and what will be tried again. */
export function Jobs() {
  const api = useApi();
  const queries = useQueryClient();
  const jobs = useInfiniteQuery({
    queryKey: ["admin", "jobs"],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => held(api.http.GET("/api/v1/admin/jobs", { params: { query: pageParam ? { cursor: pageParam } : {} } })),
    getNextPageParam: (last) => last.next,
    refetchInterval: POLL_MS,
  });
  const retry = useMutation({
    mutationFn: (id: number) => held(api.http.POST("/api/v1/admin/jobs/{job_id}/retry", { params: { path: { job_id: String(id) } } })),
    onSuccess: () => {
      toast("It is tried again");
      return queries.invalidateQueries({ queryKey: ["admin", "jobs"] });
    },
    onError: (error) => toast(Problem.caught(error).message),
  });
  if (jobs.isPending) return <Loading lines={4} />;
  if (jobs.isError) return <Failure error={jobs.error} onRetry={() => void jobs.refetch()} />;
  const items = jobs.data.pages.flatMap((page) => page.items);
  const { waiting = 0, running = 0, failed = 0, search } = jobs.data.pages[0] ?? {};
  return (
    <div className="grid grid-cols-1 gap-4">
      <p className="text-muted text-sm" data-total>
        {waiting.toLocaleString("en")} waiting, {running.toLocaleString("en")} running, {failed.toLocaleString("en")} failed for good
        {search && search.current < search.blocks && (
          <span className="block">
            Kept anew for search: {search.current.toLocaleString("en")} of {search.blocks.toLocaleString("en")} blocks of lines, by {search.model ?? "their words"}
          </span>
        )}
      </p>
      {items.length === 0 ? (
        <Empty icon={<CircleCheck />} title="No job is in trouble">
          What fails is tried again for a quarter of an hour; what still fails then is shown here.
        </Empty>
      ) : (
        <Table name="Jobs in trouble" heads={["Job", "State", "Tries", "Next", "About", ""]}>
          {items.map((job) => (
            <tr key={job.id}>
              <th scope="row" className="font-medium">
                {job.task}
              </th>
              <td>
                <Badge tone={job.status === "failed" ? "danger" : "warn"}>{job.status === "failed" ? "Failed" : "To be tried again"}</Badge>
              </td>
              <td className="tabular-nums">{job.attempts}</td>
              <td>{job.next_at && job.status !== "failed" ? exactly(job.next_at) : "–"}</td>
              <td className="max-w-80 text-muted text-xs [overflow-wrap:anywhere]">
                {Object.entries(job.args)
                  .map(([name, value]) => `${name}: ${String(value)}`)
                  .join(", ")}
              </td>
              <td>
                {job.status === "failed" && (
                  <Button size="sm" disabled={retry.isPending} onClick={() => retry.mutate(job.id)} aria-label={`Try again: ${job.task} ${job.id}`}>
                    <RotateCcw /> Try again
                  </Button>
                )}
              </td>
            </tr>
          ))}
        </Table>
      )}
      <More list={jobs} />
    </div>
  );
}
