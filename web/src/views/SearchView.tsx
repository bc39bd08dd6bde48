import { useInfiniteQuery, useQueries } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { MessageSquareText, Search as SearchIcon, SearchX } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { held, type Schema, type Session } from "@/api/client";
import { useApi } from "@/api/house";
import { names, useMe, useSessions } from "@/api/queries";
import { SessionLink } from "@/chat/Sources";
import { View, ViewHead } from "@/components/ui/card";
import { Field, Input, Select } from "@/components/ui/field";
import { More } from "@/components/ui/more";
import { Empty, Failure, Loading } from "@/components/ui/states";
import { ProveButton } from "@/identity/ProveAddress";
import { ago, exactly } from "@/lib/dates";
import { moment } from "@/lib/days";
import { announce } from "@/lib/live";
import { pieces } from "./search/highlight";

type Hit = Schema<"HitOut">;
type Wanted = { q?: string; role?: "user" | "assistant"; session?: string; since?: string; until?: string };

const TYPING_MS = 300;
const PAGE = 10;
const LONGEST = 1_000;

/** Everything that was ever said, by its words and, where there is an embedder, its meaning. The address has it all. */
export function SearchView() {
  const wanted = useSearch({ strict: false }) as Wanted;
  const navigate = useNavigate();
  const change = (next: Wanted, replace: boolean) => {
    const kept = Object.fromEntries(Object.entries({ ...wanted, ...next }).filter(([, value]) => value));
    void navigate({ to: "/search", search: kept, replace });
  };
  useEffect(() => {
    document.title = wanted.q ? `${wanted.q} · Search · Rekindle` : "Search · Rekindle";
  }, [wanted.q]);
  return (
    <View>
      <ViewHead title="Search">All your conversations, by words and by meaning.</ViewHead>
      <search>
        <Words asked={wanted.q ?? ""} onAsk={(q, replace) => change({ q }, replace)} />
        <Filters wanted={wanted} onChange={(next) => change(next, true)} />
      </search>
      {wanted.q?.trim() ? <Results wanted={{ ...wanted, q: wanted.q }} /> : <Nothing />}
    </View>
  );
}

function Nothing() {
  return (
    <Empty icon={<SearchIcon />} title="What are you looking for?">
      Ask as you would ask a person: “what did I say about the piano?” finds more than the word alone.
    </Empty>
  );
}

function Words({ asked, onAsk }: { asked: string; onAsk: (q: string, replace: boolean) => void }) {
  const [text, setText] = useState(asked);
  const field = useRef<HTMLInputElement>(null);
  const latest = useRef(onAsk);
  latest.current = onAsk;
  // The address changed by other means: back, forward, a link.
  useEffect(() => setText((typed) => (typed.trim() === asked ? typed : asked)), [asked]);
  useEffect(() => {
    const wait = setTimeout(() => text.trim() !== asked && latest.current(text.trim(), true), TYPING_MS);
    return () => clearTimeout(wait);
  }, [text, asked]);
  useEffect(() => field.current?.focus(), []);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onAsk(text.trim(), false);
      }}
      className="relative mb-3"
    >
      <SearchIcon aria-hidden className="-translate-y-1/2 pointer-events-none absolute start-3.5 top-1/2 size-4.5 text-muted" />
      <Input
        ref={field}
        type="search"
        aria-label="Search your conversations"
        placeholder="Search your conversations"
        value={text}
        maxLength={LONGEST}
        dir="auto"
        autoComplete="off"
        onChange={(event) => setText(event.target.value)}
        className="h-12! rounded-xl! ps-11! text-base [&::-webkit-search-cancel-button]:hidden"
      />
    </form>
  );
}

function Filters({ wanted, onChange }: { wanted: Wanted; onChange: (next: Wanted) => void }) {
  const sessions = useSessions();
  const listed = sessions.data?.pages.flatMap((page) => page.items) ?? [];
  const chosen = wanted.session;
  const unlisted = chosen && !listed.some((session) => session.id === chosen);
  return (
    <div className="mb-6 grid grid-cols-2 gap-3 lg:grid-cols-4">
      <Field label="Said by">
        {(props) => (
          <Select {...props} value={wanted.role ?? ""} onChange={(event) => onChange({ role: event.target.value as Wanted["role"] })}>
            <option value="">Anyone</option>
            <option value="user">Me</option>
            <option value="assistant">The assistant</option>
          </Select>
        )}
      </Field>
      <Field label="Session">
        {(props) => (
          <Select {...props} value={chosen ?? ""} onChange={(event) => onChange({ session: event.target.value })}>
            <option value="">All</option>
            {unlisted && <option value={chosen}>This session</option>}
            {listed.map((session) => (
              <option key={session.id} value={session.id}>
                {session.title ?? "New session"}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Field label="From">
        {(props) => <Input {...props} type="date" value={wanted.since ?? ""} onChange={(event) => onChange({ since: event.target.value })} />}
      </Field>
      <Field label="To">
        {(props) => <Input {...props} type="date" value={wanted.until ?? ""} onChange={(event) => onChange({ until: event.target.value })} />}
      </Field>
    </div>
  );
}

function Results({ wanted }: { wanted: Wanted & { q: string } }) {
  const api = useApi();
  const { q, role, session, since, until } = wanted;
  const query = {
    q: q.slice(0, LONGEST),
    limit: PAGE,
    ...(role === "user" || role === "assistant" ? { role } : {}),
    ...(session ? { session_id: session } : {}),
    ...(moment(since) ? { since: moment(since) } : {}),
    ...(moment(until, true) ? { until: moment(until, true) } : {}),
  };
  const found = useInfiniteQuery({
    queryKey: ["search", query],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      held(api.http.GET("/api/v1/search", { signal, params: { query: { ...query, ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (last) => last.next ?? null,
  });
  const hits = found.data?.pages.flatMap((page) => page.items) ?? [];
  const titles = useTitles(hits);
  const me = useMe();
  const count = found.data && (hits.length === 0 ? "Nothing was found" : `${hits.length}${found.hasNextPage ? "+" : ""} ${hits.length === 1 ? "message" : "messages"}`);
  useEffect(() => {
    if (count) announce(count);
  }, [count]);
  if (found.isPending) return <Loading lines={5} />;
  if (found.isError) return <Failure error={found.error} onRetry={() => void found.refetch()} />;
  if (hits.length === 0) {
    const claims = me.data !== undefined && me.data.level !== "verified";
    return (
      <Empty icon={<SearchX />} title="Nothing was found" actions={claims && <ProveButton />}>
        Try other words, or fewer filters.{claims && " Prove your address, and your earlier conversations are searched, too."}
      </Empty>
    );
  }
  return (
    <section aria-label="Results">
      <p className="mb-3 text-muted text-sm">{count}</p>
      <ol className="grid grid-cols-1 gap-3">
        {hits.map((hit) => (
          <One key={`${hit.session_id} ${hit.seq}`} hit={hit} title={titles.get(hit.session_id) ?? null} />
        ))}
      </ol>
      <More list={found} />
    </section>
  );
}

function One({ hit, title }: { hit: Hit; title: string | null }) {
  return (
    <li className="relative rounded-2xl border border-line bg-surface p-4 focus-within:border-accent hover:border-line-strong">
      <div className="mb-1.5 flex flex-wrap items-baseline gap-x-2 text-sm">
        <SessionLink session={hit.session_id} seq={hit.seq} className="min-w-0 truncate font-medium after:absolute after:inset-0 after:rounded-2xl">
          <span dir="auto">{title ?? "Conversation"}</span>
        </SessionLink>
        <span className="text-muted text-xs">
          {hit.role === "user" ? "You" : "Assistant"} ·{" "}
          <time dateTime={hit.created_at} title={exactly(hit.created_at)}>
            {ago(hit.created_at)}
          </time>
        </span>
      </div>
      <p dir="auto" className="leading-relaxed [overflow-wrap:anywhere]">
        {pieces(hit.snippet, hit.highlights).map((piece, place) =>
          // biome-ignore lint: pieces of one text, in their order
          piece.marked ? <mark key={place}>{piece.text}</mark> : <span key={place}>{piece.text}</span>,
        )}
      </p>
      {hit.after && hit.role === "user" && (
        <p dir="auto" className="mt-2 flex gap-2 border-line border-s-2 ps-3 text-muted text-sm">
          <MessageSquareText aria-hidden className="mt-1 size-3.5 shrink-0" />
          <span className="line-clamp-2 [overflow-wrap:anywhere]">{hit.after.content}</span>
        </p>
      )}
    </li>
  );
}

/** The titles of the sessions that hits are in: those of the list, and the others asked for. */
function useTitles(hits: Hit[]): Map<string, string> {
  const api = useApi();
  const sessions = useSessions();
  const listed = useMemo(
    () => new Map((sessions.data?.pages ?? []).flatMap((page) => page.items).map((session) => [session.id, session.title ?? "New session"])),
    [sessions.data],
  );
  const missing = [...new Set(hits.map((hit) => hit.session_id))].filter((id) => !listed.has(id));
  const asked = useQueries({
    queries: missing.map((id) => ({
      queryKey: names.session(id),
      staleTime: 60_000,
      queryFn: (): Promise<Session> => held(api.of(id).GET("/api/v1/sessions/{session_id}", { params: { path: { session_id: id } } })),
    })),
  });
  const titles = new Map(listed);
  for (const { data } of asked) if (data) titles.set(data.id, data.title ?? "New session");
  return titles;
}
