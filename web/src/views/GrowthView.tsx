import { useQuery } from "@tanstack/react-query";
import { ChevronDown, Flag, Lightbulb, Repeat, Sprout } from "lucide-react";
import { useEffect, useState } from "react";
import { held, type Schema } from "@/api/client";
import { useApi } from "@/api/house";
import { useMe, useSession } from "@/api/queries";
import { SessionLink } from "@/chat/Sources";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { View, ViewHead } from "@/components/ui/card";
import { Head } from "@/components/ui/chart";
import { Select } from "@/components/ui/field";
import { Empty, Failure, Loading } from "@/components/ui/states";
import { ProveButton } from "@/identity/ProveAddress";
import { cn } from "@/lib/cn";
import { ago, exactly } from "@/lib/dates";
import { inWeeks, periodName, periods, spread } from "./growth/periods";

const FEWEST = 8;

type Grown = Schema<"GrowthOut">;
type Theme = Schema<"ThemeOut">;
type Breakthrough = Schema<"BreakthroughOut">;
type Milestone = Schema<"MilestoneOut">;

const SPANS = [
  { days: 90, name: "3 months" },
  { days: 182, name: "6 months" },
  { days: 365, name: "A year" },
  { days: 1826, name: "5 years" },
] as const;

/** What somebody's conversations came back to over time, what they reached, and what fell into place. */
export function GrowthView() {
  const me = useMe();
  const api = useApi();
  const [days, setDays] = useState(365);
  useEffect(() => {
    document.title = "Growth · Rekindle";
  }, []);
  const verified = me.data?.level === "verified";
  const grown = useQuery({
    queryKey: ["growth", days],
    enabled: verified,
    queryFn: () => {
      const since = new Date(Date.now() - days * 86_400_000).toISOString();
      return held(api.http.GET("/api/v1/me/growth", { params: { query: { since } } }));
    },
  });
  return (
    <View wide>
      <ViewHead
        title="Growth"
        actions={
          <Select aria-label="Time" value={days} onChange={(event) => setDays(Number(event.target.value))} className="h-9! w-auto! text-sm">
            {SPANS.map((span) => (
              <option key={span.days} value={span.days}>
                {span.name}
              </option>
            ))}
          </Select>
        }
      >
        What your conversations come back to, what you reached, and what fell into place.
      </ViewHead>
      {me.data && !verified && (
        <Empty icon={<Sprout />} title="This is for you alone" actions={<ProveButton />}>
          Prove your address, and what your conversations came back to over time is shown here.
        </Empty>
      )}
      {verified && grown.isPending && <Loading lines={6} />}
      {grown.isError && <Failure error={grown.error} onRetry={() => void grown.refetch()} />}
      {grown.data && <Shown grown={grown.data} />}
    </View>
  );
}

function Shown({ grown }: { grown: Grown }) {
  if (grown.themes.length === 0 && grown.milestones.length === 0)
    return (
      <Empty icon={<Sprout />} title="Nothing has grown yet">
        When some sessions have ended, the themes that come back are shown here over time, with the milestones you spoke of.
      </Empty>
    );
  return (
    <div className="grid grid-cols-1 gap-8">
      <p className="text-muted text-sm">
        {count(grown.sessions, "session")}, {count(grown.messages, "message")}
        {grown.complete ? "" : "; there is more than is read here, the newest counts"}.
      </p>
      <Themes grown={grown} />
      <div className="grid grid-cols-1 gap-8 lg:grid-cols-2">
        <Breakthroughs found={grown.breakthroughs} />
        <Milestones found={grown.milestones} />
      </div>
    </div>
  );
}

function Themes({ grown }: { grown: Grown }) {
  const [asTable, setAsTable] = useState(false);
  const weeks = inWeeks(grown.since, grown.until);
  const whole = periods(grown.since, grown.until, weeks);
  const spoken = new Set((weeks ? grown.weeks : grown.months).map((period) => period.start));
  const begin = whole.findIndex((start) => spoken.has(start));
  // What is before the first word says nothing; some room is left for it.
  const all = whole.slice(Math.max(0, Math.min(begin - 1, whole.length - FEWEST)));
  const counted = (theme: Theme) => spread(weeks ? theme.weeks : theme.months, all);
  const most = Math.max(1, ...grown.themes.flatMap((theme) => counted(theme).map((count) => count.messages)));
  if (grown.themes.length === 0) return null;
  return (
    <section aria-labelledby="themes">
      <div className="mb-3 flex items-center justify-between gap-3">
        <h2 id="themes" className="font-semibold text-lg">
          Themes
        </h2>
        <Button size="sm" variant="quiet" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
          Table
        </Button>
      </div>
      {asTable ? (
        <ThemeTable themes={grown.themes} all={all} weeks={weeks} counted={counted} />
      ) : (
        <div className="overflow-hidden rounded-2xl border border-line bg-surface">
          <ul>
            {grown.themes.map((theme) => (
              <ThemeRow key={theme.theme} theme={theme} counts={counted(theme)} most={most} weeks={weeks} />
            ))}
          </ul>
          <div aria-hidden className="flex justify-between border-line border-t px-4 py-1.5 text-muted text-xs sm:ps-[calc(1rem+15rem)]">
            <span>{periodName(all[0] ?? "", weeks)}</span>
            <span>{periodName(all.at(-1) ?? "", weeks)}</span>
          </div>
        </div>
      )}
    </section>
  );
}

type Counts = ReturnType<typeof spread>;

/** One theme: its name and its time; opened, the messages that it is in. */
function ThemeRow({ theme, counts, most, weeks }: { theme: Theme; counts: Counts; most: number; weeks: boolean }) {
  const [open, setOpen] = useState(false);
  const words = theme.messages ? `${count(theme.sessions, "session")}, ${count(theme.messages, "message")}` : count(theme.sessions, "session");
  return (
    <li className="border-line border-b last:border-b-0" data-theme-row={theme.theme}>
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className="-outline-offset-2 grid w-full items-center gap-x-4 gap-y-1 px-4 py-2.5 text-start hover:bg-ink/4 sm:grid-cols-[14rem_1fr]">
        <span className="flex min-w-0 items-center gap-2">
          <ChevronDown aria-hidden className={cn("size-4 shrink-0 text-muted transition-transform", open || "-rotate-90")} />
          <span className="min-w-0">
            <span className="flex items-center gap-2">
              <span className="truncate font-medium" dir="auto">
                {theme.theme}
              </span>
              {theme.recurring && <Repeat aria-label="Recurring" className="size-3.5 shrink-0 text-accent-ink" />}
            </span>
            <span className="block text-muted text-xs">{words}</span>
          </span>
        </span>
        <Line counts={counts} most={most} weeks={weeks} name={theme.theme} />
      </button>
      {open && (
        <ul className="grid grid-cols-1 gap-3 border-line border-t bg-sunken px-4 py-4 sm:ps-10">
          {theme.sources.map((source) => (
            <Source key={source.session_id} source={source} />
          ))}
        </ul>
      )}
    </li>
  );
}

const SHOWN = 3;

/** A session that a theme is in, with its messages; of many the first three. */
function Source({ source }: { source: Theme["sources"][number] }) {
  const api = useApi();
  const session = useSession(source.session_id);
  const seqs = source.seqs.slice(0, SHOWN);
  const first = seqs[0];
  const messages = useQuery({
    queryKey: ["messages at", source.session_id, seqs],
    enabled: first !== undefined,
    staleTime: 60_000,
    queryFn: () =>
      Promise.all(
        seqs.map(async (seq) => {
          const { items } = await held(
            api.http.GET("/api/v1/sessions/{session_id}/messages", { params: { path: { session_id: source.session_id }, query: { cursor: seq - 1, limit: 1 } } }),
          );
          return items[0];
        }),
      ),
  });
  return (
    <li className="grid gap-1 text-sm">
      <p className="flex flex-wrap items-baseline gap-x-2">
        <SessionLink session={source.session_id} {...(first ? { seq: first } : {})} className="font-medium underline-offset-2 hover:underline">
          <span dir="auto">{session.isPending ? "Loading…" : (session.data?.title ?? "Conversation")}</span>
        </SessionLink>
        <time dateTime={source.date} title={exactly(source.date)} className="text-muted text-xs">
          {ago(source.date)}
        </time>
      </p>
      {messages.data?.map(
        (message) =>
          message && (
            <SessionLink
              key={message.seq}
              session={source.session_id}
              seq={message.seq}
              className="line-clamp-2 border-line-strong border-s-2 ps-3 text-ink [overflow-wrap:anywhere] hover:border-accent"
            >
              <span dir="auto">{message.content.slice(0, 300)}</span>
            </SessionLink>
          ),
      )}
      {source.seqs.length > SHOWN && <p className="text-muted text-xs">and {source.seqs.length - SHOWN} more</p>}
    </li>
  );
}

function count(many: number, what: string): string {
  return `${many.toLocaleString("en")} ${what}${many === 1 ? "" : "s"}`;
}

/** How much of a theme there was, over time: an area that is mirrored, so that little is seen too. */
function Line({ counts, most, weeks, name }: { counts: Counts; most: number; weeks: boolean; name: string }) {
  const step = 10;
  const half = 20;
  const width = counts.length * step;
  // A session that is about it, with no message that names it, is a line.
  const size = (value: number) => (value ? 3 + (half - 4) * Math.sqrt(value / most) : 1.5);
  const more = (one: Counts[number], than: Counts[number]) => one.messages - than.messages || one.sessions - than.sessions;
  const busiest = counts.reduce((best, one) => (more(one, best) > 0 ? one : best), counts[0] ?? { start: "", sessions: 0, messages: 0 });
  const words = ({ messages, sessions }: Counts[number]) => (messages ? `${count(messages, "message")} in ${count(sessions, "session")}` : count(sessions, "session"));
  return (
    <svg
      viewBox={`0 0 ${Math.max(width, step)} ${half * 2}`}
      preserveAspectRatio="none"
      className="h-10 w-full"
      role="img"
      aria-label={`${name} over time, most in ${periodName(busiest.start, weeks)}: ${words(busiest)}`}
    >
      <line x1={0} x2={width} y1={half} y2={half} className="stroke-line" vectorEffect="non-scaling-stroke" />
      {counts.map((one, place) => {
        const { start, messages, sessions } = one;
        return messages || sessions ? (
          <rect key={start} x={place * step + 2} width={step - 4} y={half - size(messages)} height={2 * size(messages)} className="fill-accent/80">
            <title>{`${periodName(start, weeks)}: ${words(one)}`}</title>
          </rect>
        ) : null;
      })}
    </svg>
  );
}

function ThemeTable({ themes, all, weeks, counted }: { themes: Theme[]; all: string[]; weeks: boolean; counted: (theme: Theme) => Counts }) {
  const rows = themes.map((theme) => ({ theme, counts: counted(theme) }));
  const used = all.map((start, place) => ({ start, place })).filter(({ place }) => rows.some(({ counts }) => counts[place]?.messages));
  return (
    <div className="overflow-x-auto rounded-2xl border border-line bg-surface p-4" tabIndex={0} role="region" aria-label="Themes, table">
      <table className="text-sm tabular-nums">
        <caption className="sr-only">Messages of each theme over time</caption>
        <thead className="text-muted">
          <tr>
            <Head>Theme</Head>
            <Head>Sessions</Head>
            <Head>Messages</Head>
            {used.map(({ start }) => (
              <Head key={start}>
                <span className="whitespace-nowrap">{periodName(start, weeks)}</span>
              </Head>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ theme, counts }) => (
            <tr key={theme.theme} className="border-line border-t">
              <th scope="row" className="py-1.5 pe-3 text-start font-medium" dir="auto">
                {theme.theme}
              </th>
              <td className="py-1.5 pe-3">{theme.sessions}</td>
              <td className="py-1.5 pe-3">{theme.messages}</td>
              {used.map(({ start, place }) => (
                <td key={start} className="py-1.5 pe-3">
                  {counts[place]?.messages || ""}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const BECAUSE = { question: "It settles what was open", theme: "It was long on your mind", words: "You said so" } as const;

function Breakthroughs({ found }: { found: Breakthrough[] }) {
  return (
    <section aria-labelledby="breakthroughs">
      <h2 id="breakthroughs" className="mb-3 flex items-center gap-2 font-semibold text-lg">
        <Lightbulb aria-hidden className="size-5 text-accent-ink" /> Breakthroughs
      </h2>
      {found.length === 0 && <p className="text-muted">None yet. When you settle what was open for long, it is kept here.</p>}
      <ul className="grid grid-cols-1 gap-3">
        {found.map((one) => (
          <li key={`${one.session_id} ${one.text}`} className="rounded-2xl border border-line bg-surface p-4">
            {one.before && (
              <p className="mb-2 border-line border-s-2 ps-3 text-muted text-sm">
                <SessionLink session={one.before.session_id} className="underline-offset-2 hover:underline">
                  {ago(one.before.at)}
                </SessionLink>
                : <span dir="auto">{one.before.text}</span>
              </p>
            )}
            <p dir="auto" className="[overflow-wrap:anywhere]">
              {one.text}
            </p>
            <Origin one={one} note={BECAUSE[one.because]} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Milestones({ found }: { found: Milestone[] }) {
  return (
    <section aria-labelledby="milestones">
      <h2 id="milestones" className="mb-3 flex items-center gap-2 font-semibold text-lg">
        <Flag aria-hidden className="size-5 text-accent-ink" /> Milestones
      </h2>
      {found.length === 0 && <p className="text-muted">None yet. What you pass, finish and get is kept here.</p>}
      <ol className="grid grid-cols-1 gap-4 border-line border-s-2 ps-5">
        {found.map((one) => (
          <li
            key={`${one.session_id} ${one.text}`}
            className="before:-start-[1.625rem] relative before:absolute before:top-1.5 before:size-2.5 before:rounded-full before:bg-accent"
          >
            <p dir="auto" className="[overflow-wrap:anywhere]">
              {one.text}
            </p>
            <Origin one={one} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function Origin({ one, note }: { one: Milestone; note?: string }) {
  return (
    <p className="mt-1 flex flex-wrap items-center gap-x-2 gap-y-1 text-muted text-xs">
      <SessionLink session={one.session_id} {...(one.seq ? { seq: one.seq } : {})} className="text-accent-ink underline underline-offset-2">
        <time dateTime={one.at} title={exactly(one.at)}>
          {ago(one.at)}
        </time>
      </SessionLink>
      {one.theme && <Badge dir="auto">{one.theme}</Badge>}
      {note && <span>{note}</span>}
    </p>
  );
}
