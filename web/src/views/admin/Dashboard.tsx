import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type MouseEvent, type ReactNode, useCallback } from "react";
import { held, type Schema } from "@/api/client";
import { useApi } from "@/api/house";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { type Bar, Bars, brief, Head } from "@/components/ui/chart";
import { Input } from "@/components/ui/field";
import { Failure, Loading } from "@/components/ui/states";
import { dayName, utcDay } from "@/lib/days";
import { reviewAddress } from "./filter";

type Board = Schema<"DashboardOut">;
type Leader = Schema<"LeaderOut">;
type Opens = Record<string, string>;

const SPANS = [7, 30, 90] as const;

/** How the house is used. Each number opens the sessions that are behind it. */
export function Dashboard() {
  const api = useApi();
  const search = useSearch({ strict: false }) as { from?: string; to?: string };
  const navigate = useNavigate();
  const day = (text: unknown) => (typeof text === "string" && /^\d{4}-\d{2}-\d{2}$/.test(text) ? text : undefined);
  const to = day(search.to) ?? utcDay();
  const from = day(search.from) ?? utcDay(29);
  const go = (next: { from: string; to: string }) => void navigate({ to: "/admin", search: next as never, replace: true });
  const board = useQuery({
    queryKey: ["admin", "dashboard", from, to],
    queryFn: () => held(api.http.GET("/api/v1/admin/dashboard", { params: { query: { from, to } } })),
  });
  return (
    <div className="grid grid-cols-1 gap-6">
      <div className="flex flex-wrap items-end gap-3">
        <fieldset className="flex gap-1 rounded-xl border border-line bg-surface p-1">
          <legend className="sr-only">Days</legend>
          {SPANS.map((days) => (
            <Button key={days} size="sm" variant={to === utcDay() && from === utcDay(days - 1) ? "solid" : "ghost"} onClick={() => go({ from: utcDay(days - 1), to: utcDay() })}>
              {days} days
            </Button>
          ))}
        </fieldset>
        <div className="flex w-full items-center gap-2 text-muted text-sm sm:w-auto">
          <Input type="date" aria-label="From day" className="h-9! min-w-0 px-2! text-sm! sm:w-auto!" value={from} max={to} onChange={(event) => event.target.value && go({ from: event.target.value, to })} />
          to
          <Input type="date" aria-label="To day" className="h-9! min-w-0 px-2! text-sm! sm:w-auto!" value={to} min={from} onChange={(event) => event.target.value && go({ from, to: event.target.value })} />
          UTC
        </div>
      </div>
      {board.isPending && <Loading lines={6} />}
      {board.isError && <Failure error={board.error} onRetry={() => void board.refetch()} />}
      {board.data && <Shown board={board.data} />}
      <Topics from={from} to={to} />
    </div>
  );
}

function Shown({ board }: { board: Board }) {
  const open = useOpen();
  const { totals, latency_ms: latency, days } = board;
  const bars = (value: (day: (typeof days)[number]) => number, unit: string, marked?: (day: (typeof days)[number]) => number, started = false): Bar[] =>
    days.map((day) => ({
      key: day.day,
      label: dayName(day.day),
      value: value(day),
      ...(marked ? { marked: marked(day) } : {}),
      href: reviewAddress(started ? day.started_opens : day.opens),
      says: `${dayName(day.day)}: ${value(day).toLocaleString("en")} ${unit}`,
    }));
  const seconds = (ms: number | null | undefined) => (ms == null ? "–" : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
  const share = totals.returning_share?.value;
  return (
    <>
      <dl className="grid grid-cols-2 gap-3 sm:grid-cols-3 lg:grid-cols-6">
        <Figure name="Active sessions" opens={totals.sessions?.filter}>
          {brief(totals.sessions?.value ?? 0)}
        </Figure>
        <Figure name="Active users" opens={totals.users?.filter}>
          {brief(totals.users?.value ?? 0)}
        </Figure>
        <Figure name="Returning" opens={totals.returning?.filter} note={`${totals.returning?.value ?? 0} of ${totals.started?.value ?? 0} new sessions`}>
          {share == null ? "–" : `${Math.round(share * 100)}%`}
        </Figure>
        <Figure name="Not completed" opens={totals.failed?.filter} danger={(totals.failed?.value ?? 0) > 0} note={`of ${brief(totals.turns?.value ?? 0)} turns`}>
          {brief(totals.failed?.value ?? 0)}
        </Figure>
        <Figure name="Median answer" opens={latency.p50?.filter} note={board.sampled ? "of the newest 200,000" : `of ${brief(board.replies)} answers`}>
          {seconds(latency.p50?.value)}
        </Figure>
        <Figure name="90% within" opens={latency.p90?.filter} note={`99% within ${seconds(latency.p99?.value)}`}>
          {seconds(latency.p90?.value)}
        </Figure>
      </dl>
      <div className="grid grid-cols-1 gap-4 md:grid-cols-2">
        <Bars title="Active sessions a day" total={<Total of={totals.sessions} />} bars={bars((day) => day.sessions, "active sessions")} columns={["Day", "Sessions"]} onOpen={open} />
        <Bars
          title="Messages a day"
          total={<Total of={totals.messages} />}
          bars={bars((day) => day.messages, "messages", (day) => 2 * day.failed)}
          columns={["Day", "Messages", "Not completed"]}
          format={brief}
          onOpen={open}
        />
        <Bars
          title="Tokens a day"
          total={
            <Into opens={totals.input_tokens?.filter}>
              {brief((totals.input_tokens?.value ?? 0) + (totals.output_tokens?.value ?? 0))}
              {totals.cost?.value ? ` · $${totals.cost.value.toFixed(2)}` : ""}
            </Into>
          }
          bars={bars((day) => day.input_tokens + day.output_tokens, "tokens")}
          columns={["Day", "Tokens"]}
          format={brief}
          onOpen={open}
        />
        <Bars
          title="New sessions a day"
          total={<Total of={totals.started} />}
          bars={bars((day) => day.started, "new sessions", undefined, true)}
          columns={["Day", "New sessions"]}
          onOpen={open}
        />
      </div>
      {board.errors.length > 0 && (
        <Card className="p-4!">
          <h2 className="mb-2 font-medium">Why turns did not complete</h2>
          <ul className="flex flex-wrap gap-2">
            {board.errors.map(({ code, count, opens }) => (
              <li key={code}>
                <Into opens={opens} className="inline-flex items-center gap-1.5 rounded-full border border-line px-3 py-1 text-sm hover:bg-sunken">
                  {code} <Badge tone="danger">{count.toLocaleString("en")}</Badge>
                </Into>
              </li>
            ))}
          </ul>
        </Card>
      )}
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-2">
        <Leaders title="Who uses most" leaders={board.users} />
        <div className="grid grid-cols-1 content-start gap-4">
          <Leaders title="Models" leaders={board.models} />
          <Leaders title="Assistants" leaders={board.assistants} />
        </div>
      </div>
    </>
  );
}

function useOpen() {
  const navigate = useNavigate();
  return useCallback((bar: Bar) => void (bar.href && navigate({ href: bar.href })), [navigate]);
}

/** A number in short, which leads to what is behind it. */
function Total({ of }: { of: Schema<"Number"> | undefined }) {
  return <Into opens={of?.filter}>{brief(of?.value ?? 0)}</Into>;
}

/** A link to the sessions behind something. */
function Into({ opens, className, children }: { opens: Opens | undefined; className?: string; children: ReactNode }) {
  const navigate = useNavigate();
  const address = reviewAddress(opens ?? {});
  const go = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    void navigate({ href: address });
  };
  return (
    <a href={address} onClick={go} {...(className ? { className } : {})}>
      {children}
    </a>
  );
}

function Figure({ name, note, danger, opens, children }: { name: string; note?: string; danger?: boolean; opens: Opens | undefined; children: ReactNode }) {
  return (
    <div className="relative rounded-2xl border border-line bg-surface px-4 py-3 hover:border-line-strong">
      <dt className="text-muted text-sm">{name}</dt>
      <dd className={danger ? "font-semibold text-danger text-xl tabular-nums" : "font-semibold text-xl tabular-nums"}>
        <Into opens={opens} className="after:absolute after:inset-0 after:rounded-2xl">
          {children}
        </Into>
      </dd>
      {note && <dd className="text-muted text-xs">{note}</dd>}
    </div>
  );
}

function Leaders({ title, leaders }: { title: string; leaders: Leader[] }) {
  if (leaders.length === 0) return null;
  const costs = leaders.some((leader) => leader.cost);
  return (
    <Card className="p-4!">
      {/* On a phone the name has a line of its own over its numbers; by role it stays a table. */}
      <table role="table" className="w-full text-sm tabular-nums max-sm:block max-sm:[&_tr]:grid max-sm:[&_tr]:grid-cols-4 max-sm:[&_:is(thead,tbody,caption)]:block max-sm:[&_tr>:first-child]:col-span-full max-sm:[&_thead_th:first-child]:sr-only">
        <caption className="mb-1 text-start font-medium text-base">{title}</caption>
        <thead role="rowgroup" className="text-muted">
          <tr role="row">
            <Head>Name</Head>
            <Head>Sessions</Head>
            <Head>Turns</Head>
            <Head>Tokens</Head>
            {costs && <Head>Cost</Head>}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {leaders.map((leader) => (
            <tr key={leader.user_id ?? leader.name} role="row" className="border-line border-t py-1 *:py-1 *:pe-3 *:align-top">
              <th scope="row" role="rowheader" className="w-2/5 text-start font-normal [overflow-wrap:anywhere]">
                <Into opens={leader.opens} className="text-accent-ink underline underline-offset-2">
                  <span dir="auto">{leader.email ?? leader.name ?? "A guest"}</span>
                </Into>
              </th>
              <td role="cell">{brief(leader.sessions)}</td>
              <td role="cell">
                {brief(leader.turns)}
                {leader.failed > 0 && <span className="block text-danger text-xs">{brief(leader.failed)} not completed</span>}
              </td>
              <td role="cell">{brief(leader.tokens)}</td>
              {costs && <td role="cell">{leader.cost == null ? "?" : `$${leader.cost.toFixed(2)}`}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}

/** What all talks were about: sums, and nobody's words but the topics' own. */
function Topics({ from, to }: { from: string; to: string }) {
  const api = useApi();
  const topics = useQuery({
    queryKey: ["admin", "topics", from, to],
    queryFn: () =>
      held(
        api.http.GET("/api/v1/admin/topics", {
          params: { query: { since: `${from}T00:00:00Z`, until: new Date(Date.parse(`${to}T00:00:00Z`) + 86_400_000).toISOString(), limit: 20 } },
        }),
      ),
  });
  if (topics.isError) return <Failure error={topics.error} onRetry={() => void topics.refetch()} />;
  if (!topics.data?.topics.length) return null;
  const most = Math.max(...topics.data.topics.map((topic) => topic.sessions));
  return (
    <Card className="p-4!">
      <h2 className="mb-2 font-medium">Topics</h2>
      <ul className="grid grid-cols-1 gap-x-8 gap-y-1 sm:grid-cols-2">
        {topics.data.topics.map((topic) => (
          <li key={topic.theme} className="grid grid-cols-[1fr_auto] items-center gap-x-3 text-sm">
            <Into opens={{ topic: topic.theme, started: "true", from, to }} className="truncate underline-offset-2 hover:underline">
              <span dir="auto">{topic.theme}</span>
            </Into>
            <span className="text-muted tabular-nums">
              {topic.sessions} {topic.sessions === 1 ? "session" : "sessions"}
            </span>
            <svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden className="col-span-2 h-1 w-full">
              <rect width="100" height="1" className="fill-sunken" />
              <rect width={(topic.sessions / most) * 100} height="1" className="fill-accent/70" />
            </svg>
          </li>
        ))}
      </ul>
    </Card>
  );
}
