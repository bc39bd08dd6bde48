import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Check, CircleAlert, Inbox, X } from "lucide-react";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { held, type Schema } from "@/api/client";
import { useApi } from "@/api/house";
import { Problem } from "@/api/problem";
import { Markdown } from "@/chat/Markdown";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Field, Input, Select, TextArea } from "@/components/ui/field";
import { More } from "@/components/ui/more";
import { Empty, Failure, Loading } from "@/components/ui/states";
import { toast } from "@/components/ui/toast";
import { cn } from "@/lib/cn";
import { ago, exactly } from "@/lib/dates";
import { announce } from "@/lib/live";
import { type Filter, filterOf, totalOf } from "./filter";

type Reviewed = Schema<"ReviewedSession">;

const PAGE = 30;
const LIST = ["admin", "sessions"] as const;

/** Sessions of all users, looked through one after the other: j and k go on and back, r is "reviewed". */
export function Review() {
  const search = useSearch({ strict: false }) as Record<string, unknown>;
  const filter = filterOf(search);
  const chosen = typeof search.session === "string" ? search.session : null;
  const navigate = useNavigate();
  const go = (next: Record<string, string | undefined>, replace = true) => {
    const kept = Object.fromEntries(Object.entries({ ...filter, ...(chosen ? { session: chosen } : {}), ...next }).filter(([, value]) => value));
    void navigate({ to: "/admin/$", params: { _splat: "review" }, search: kept as never, replace });
  };
  const api = useApi();
  const query = filter as Record<string, never>;
  const sessions = useInfiniteQuery({
    queryKey: [...LIST, filter],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      held(api.http.GET("/api/v1/admin/sessions", { params: { query: { ...query, limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (last) => last.next ?? null,
  });
  const items = sessions.data?.pages.flatMap((page) => page.items) ?? [];
  const at = items.findIndex((session) => session.id === chosen);
  const step = (by: number) => {
    const next = items[at < 0 ? 0 : at + by];
    if (next) go({ session: next.id });
    if (by > 0 && at >= items.length - 3 && sessions.hasNextPage && !sessions.isFetchingNextPage) void sessions.fetchNextPage();
  };
  useKeys({ j: () => step(1), k: () => step(-1), r: () => document.querySelector<HTMLElement>("[data-toggle-reviewed]")?.click() });
  const first = sessions.data?.pages[0];
  return (
    <div className="grid grid-cols-1 gap-4">
      <div className={cn(chosen && "hidden lg:block")}>
        <Filters filter={filter} onChange={(next) => go({ ...next, session: undefined })} />
      </div>
      <div className="flex flex-wrap items-center justify-between gap-2 text-muted text-sm">
        <p data-total>{first ? `${totalOf(first)} ${first.total === 1 ? "session" : "sessions"}` : "…"}</p>
        <p className="hidden sm:block">
          <kbd>j</kbd> next <kbd>k</kbd> back <kbd>r</kbd> reviewed
        </p>
      </div>
      {sessions.isPending && <Loading lines={6} />}
      {sessions.isError && <Failure error={sessions.error} onRetry={() => void sessions.refetch()} />}
      {first && items.length === 0 && (
        <Empty icon={<Inbox />} title="There are no such sessions">
          Take a filter away.
        </Empty>
      )}
      {items.length > 0 && (
        <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-[minmax(0,22rem)_minmax(0,1fr)]">
          <div className={cn(chosen && "hidden lg:block")}>
            <ul aria-label="Sessions found" className="overflow-hidden rounded-2xl border border-line bg-surface lg:max-h-[75vh] lg:overflow-y-auto">
              {items.map((session) => (
                <Row key={session.id} session={session} current={session.id === chosen} onChoose={() => go({ session: session.id }, chosen !== null)} />
              ))}
            </ul>
            <More list={sessions} />
          </div>
          {chosen ? (
            <One key={chosen} id={chosen} onClose={() => go({ session: undefined })} />
          ) : (
            <p className="hidden rounded-2xl border border-line border-dashed p-8 text-center text-muted lg:block">Choose a session, or press j.</p>
          )}
        </div>
      )}
    </div>
  );
}

function useKeys(keys: Record<string, () => void>) {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, textarea, select, [contenteditable], [role=dialog]")) return;
      const act = latest.current[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
}

const STATES = { active: "Open", ended: "Ended" } as const;
const FURTHER: { name: keyof Filter; says: (value: string) => string }[] = [
  { name: "user_id", says: () => "Of one person" },
  { name: "topic", says: (value) => `About ${value}` },
  { name: "assistant", says: (value) => `With ${value}` },
  { name: "model", says: (value) => `Answered by ${value}` },
  { name: "error", says: (value) => `Failed: ${value}` },
  { name: "returning", says: (value) => (value === "true" ? "Of returning users" : "Of new users") },
  { name: "slower_than_ms", says: (value) => `An answer took over ${Number(value) / 1000} s` },
  { name: "started", says: () => "Begun on these days" },
];

function Filters({ filter, onChange }: { filter: Filter; onChange: (next: Filter) => void }) {
  const api = useApi();
  const tags = useQuery({ queryKey: ["admin", "tags"], queryFn: () => held(api.http.GET("/api/v1/admin/tags")) });
  const [text, setText] = useState(filter.q ?? "");
  useEffect(() => setText(filter.q ?? ""), [filter.q]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onChange({ q: text.trim() });
  };
  const known = tags.data?.items.map((tag) => tag.tag) ?? [];
  return (
    <div className="grid grid-cols-1 gap-3">
      <div className="grid grid-cols-6 gap-3 lg:grid-cols-[minmax(0,2fr)_9.75rem_9.75rem_minmax(0,1fr)_minmax(0,1fr)_minmax(0,1fr)]">
        <form onSubmit={submit} className="col-span-6 lg:col-span-1">
          <Field label="Title, summary or person">
            {(props) => <Input {...props} type="search" value={text} maxLength={200} onChange={(event) => setText(event.target.value)} onBlur={() => text.trim() !== (filter.q ?? "") && onChange({ q: text.trim() })} />}
          </Field>
        </form>
        <Field label="From" className="col-span-3 lg:col-span-1">{(props) => <Input {...props} type="date" value={filter.from ?? ""} onChange={(event) => onChange({ from: event.target.value })} />}</Field>
        <Field label="To" className="col-span-3 lg:col-span-1">{(props) => <Input {...props} type="date" value={filter.to ?? ""} onChange={(event) => onChange({ to: event.target.value })} />}</Field>
        <Field label="State" className="col-span-2 lg:col-span-1">
          {(props) => (
            <Select {...props} value={filter.state ?? ""} onChange={(event) => onChange({ state: event.target.value })}>
              <option value="">Any</option>
              <option value="active">Open</option>
              <option value="ended">Ended</option>
            </Select>
          )}
        </Field>
        <Field label="Errors" className="col-span-2 lg:col-span-1">
          {(props) => (
            <Select {...props} value={filter.errors ?? ""} onChange={(event) => onChange({ errors: event.target.value })}>
              <option value="">Any</option>
              <option value="true">With</option>
              <option value="false">Without</option>
            </Select>
          )}
        </Field>
        <Field label="Reviewed" className="col-span-2 lg:col-span-1">
          {(props) => (
            <Select {...props} value={filter.reviewed ?? ""} onChange={(event) => onChange({ reviewed: event.target.value })}>
              <option value="">Any</option>
              <option value="true">Yes</option>
              <option value="false">Not yet</option>
            </Select>
          )}
        </Field>
      </div>
      <div className="flex flex-wrap items-center gap-2">
        {(known.length > 0 || filter.tag) && (
          <Select aria-label="Tag" className="h-8! w-auto! text-sm" value={filter.tag ?? ""} onChange={(event) => onChange({ tag: event.target.value })}>
            <option value="">Any tag</option>
            {[...new Set([...known, ...(filter.tag ? [filter.tag] : [])])].map((tag) => (
              <option key={tag} value={tag}>
                {tag}
              </option>
            ))}
          </Select>
        )}
        {FURTHER.map(({ name, says }) => {
          const value = filter[name];
          return (
            value && (
              <Button key={name} size="sm" onClick={() => onChange({ [name]: "" })} aria-label={`Take away: ${says(value)}`}>
                {says(value)} <X />
              </Button>
            )
          );
        })}
        {Object.keys(filter).length > 0 && (
          <Button size="sm" variant="quiet" onClick={() => onChange(Object.fromEntries(Object.keys(filter).map((name) => [name, ""])))}>
            Clear all
          </Button>
        )}
      </div>
    </div>
  );
}

function Row({ session, current, onChoose }: { session: Reviewed; current: boolean; onChoose: () => void }) {
  const row = useRef<HTMLLIElement>(null);
  useEffect(() => {
    const list = row.current?.parentElement;
    if (!current || !row.current || !list) return;
    // Within the list only: the page itself stays where it is.
    const top = row.current.offsetTop - list.offsetTop;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + row.current.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + row.current.offsetHeight - list.clientHeight;
  }, [current]);
  return (
    <li ref={row} className="border-line border-b last:border-b-0">
      <button
        type="button"
        onClick={onChoose}
        aria-current={current ? "true" : undefined}
        className="-outline-offset-2 grid w-full gap-0.5 px-4 py-2.5 text-start hover:bg-ink/4 aria-[current=true]:bg-accent-soft"
      >
        <span className="flex items-center gap-2">
          {session.review.reviewed && <Check aria-label="Reviewed" className="size-4 shrink-0 text-good" />}
          {session.failed > 0 && <CircleAlert aria-label="With errors" className="size-4 shrink-0 text-danger" />}
          <span className="min-w-0 flex-1 truncate font-medium" dir="auto">
            {session.title ?? "New session"}
          </span>
          <time dateTime={session.last_seen_at} title={exactly(session.last_seen_at)} className="shrink-0 text-muted text-xs">
            {ago(session.last_seen_at)}
          </time>
        </span>
        <span className="truncate text-muted text-xs" dir="auto">
          {session.user_email ?? session.user_name ?? "A guest"} · {session.message_count} messages · {STATES[session.status]}
        </span>
        {session.review.tags.length > 0 && (
          <span className="mt-0.5 flex flex-wrap gap-1">
            {session.review.tags.map((tag) => (
              <Badge key={tag}>{tag}</Badge>
            ))}
          </span>
        )}
      </button>
    </li>
  );
}

/** One session: what is noted about it, and what was said. */
function One({ id, onClose }: { id: string; onClose: () => void }) {
  const api = useApi();
  const session = useQuery({
    queryKey: ["admin", "session", id],
    queryFn: () => held(api.http.GET("/api/v1/admin/sessions/{session_id}", { params: { path: { session_id: id } } })),
  });
  const messages = useInfiniteQuery({
    queryKey: ["admin", "messages", id],
    initialPageParam: 0,
    queryFn: ({ pageParam }) =>
      held(api.http.GET("/api/v1/admin/sessions/{session_id}/messages", { params: { path: { session_id: id }, query: { cursor: pageParam, limit: 50 } } })),
    getNextPageParam: (last) => (last.next ? Number(last.next) : null),
  });
  if (session.isPending) return <Loading lines={5} />;
  if (session.isError) return <Failure error={session.error} onRetry={() => void session.refetch()} />;
  const { title, user_email, user_name, started_at, turns, failed, tokens, assistant, summary_line, review } = session.data;
  return (
    <article aria-label={`Session: ${title ?? "New session"}`} className="grid grid-cols-1 gap-4">
      <header className="grid gap-1">
        <div className="flex items-start justify-between gap-2">
          <h2 className="min-w-0 font-semibold text-lg [overflow-wrap:anywhere]" dir="auto">
            {title ?? "New session"}
          </h2>
          <Button variant="quiet" size="icon-sm" aria-label="Back to the list" onClick={onClose}>
            <X />
          </Button>
        </div>
        <p className="text-muted text-sm">
          <span dir="auto">{user_email ?? user_name ?? "A guest"}</span> · {exactly(started_at)} · {assistant} · {turns} {turns === 1 ? "turn" : "turns"}
          {failed > 0 && <span className="text-danger">, {failed} not completed</span>} · {tokens.toLocaleString("en")} tokens
        </p>
        {summary_line && (
          <p className="mt-1 rounded-xl bg-sunken px-3 py-2 text-sm" dir="auto">
            {summary_line}
          </p>
        )}
      </header>
      <Notes key={JSON.stringify(review)} id={id} review={review} />
      <ol aria-label="Messages" className="grid grid-cols-1 gap-3">
        {messages.isPending && <Loading lines={3} />}
        {messages.isError && <Failure error={messages.error} onRetry={() => void messages.refetch()} />}
        {messages.data?.pages
          .flatMap((page) => page.items)
          .map((message) => (
            <li key={message.seq} className={cn("rounded-2xl border border-line px-4 py-3", message.role === "user" ? "bg-sunken" : "bg-surface")}>
              <p className="mb-1 flex flex-wrap items-center gap-2 text-muted text-xs">
                <span className="font-medium">{message.role === "user" ? "User" : "Assistant"}</span>
                <time dateTime={message.created_at}>{exactly(message.created_at)}</time>
                {message.processing_time_ms != null && <span>{(message.processing_time_ms / 1000).toFixed(1)} s</span>}
                {message.status !== "complete" && <Badge tone="danger">{message.error?.code ?? message.status}</Badge>}
                {Boolean(message.metadata?.replaced_by) && <Badge>Asked anew</Badge>}
              </p>
              {message.content ? <Markdown text={message.content} /> : <p className="text-muted text-sm">{message.error?.message ?? "No words."}</p>}
            </li>
          ))}
      </ol>
      <More list={messages} what="more messages" />
    </article>
  );
}

function Notes({ id, review }: { id: string; review: Reviewed["review"] }) {
  const api = useApi();
  const queries = useQueryClient();
  const [tags, setTags] = useState(review.tags.join(", "));
  const [note, setNote] = useState(review.note);
  const save = useMutation({
    mutationFn: (reviewed: boolean) =>
      held(
        api.http.PUT("/api/v1/admin/sessions/{session_id}/review", {
          params: { path: { session_id: id } },
          body: { reviewed, note, tags: tags.split(",").map((tag) => tag.trim()).filter(Boolean) },
        }),
      ),
    onSuccess: (session) => {
      announce(session.review.reviewed ? "Reviewed" : "Noted");
      queries.setQueryData(["admin", "session", id], session);
      // In place: a session that is "not reviewed" any more stays where the reviewer is.
      queries.setQueriesData<{ pages: { items: Reviewed[] }[] }>({ queryKey: LIST }, (list) =>
        list && { ...list, pages: list.pages.map((page) => ({ ...page, items: page.items.map((one) => (one.id === id ? { ...one, review: session.review } : one)) })) },
      );
      void queries.invalidateQueries({ queryKey: ["admin", "tags"] });
    },
    onError: (error) => toast(Problem.caught(error).message),
  });
  const changed = note !== review.note || tags !== review.tags.join(", ");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(review.reviewed);
      }}
      className="grid grid-cols-1 gap-3 rounded-2xl border border-line bg-surface p-4"
    >
      <div className="grid grid-cols-1 gap-3 sm:grid-cols-2">
        <Field label="Tags" hint="Separated by commas">
          {(props) => <Input {...props} value={tags} onChange={(event) => setTags(event.target.value)} />}
        </Field>
        <Field label="Note">
          {(props) => <TextArea {...props} rows={2} className="min-h-16!" value={note} maxLength={4_000} dir="auto" onChange={(event) => setNote(event.target.value)} />}
        </Field>
      </div>
      <div className="flex flex-wrap items-center gap-2">
        <Button variant={review.reviewed ? "outline" : "solid"} disabled={save.isPending} aria-pressed={review.reviewed} data-toggle-reviewed onClick={() => save.mutate(!review.reviewed)}>
          <Check /> {review.reviewed ? "Reviewed" : "Mark as reviewed"}
        </Button>
        {changed && (
          <Button type="submit" disabled={save.isPending}>
            Save the note
          </Button>
        )}
        {review.reviewed_at && <span className="text-muted text-xs">{ago(review.reviewed_at)}</span>}
      </div>
    </form>
  );
}
