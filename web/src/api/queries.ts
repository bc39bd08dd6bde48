import { infiniteQueryOptions, type QueryClient, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { type Api, held, type ListedSession, type Me } from "./client";
import { useApi, useHouse, useKeys } from "./house";
import type { Keys } from "./keyring";
import { Problem } from "./problem";

/** The names under which answers are kept; a change invalidates by their beginning. */
export const names = {
  me: ["me"] as const,
  sessions: ["sessions"] as const,
  session: (id: string) => ["session", id] as const,
  recent: (id: string | null) => ["recent", id] as const,
};

/** Whoever the newest token speaks for; null when there is none. */
export function useMe() {
  const api = useApi();
  const keys = useKeys();
  const token = keys.account ?? keys.visits[0]?.token ?? null;
  return useQuery({
    queryKey: [...names.me, token],
    enabled: token !== null,
    staleTime: 60_000,
    queryFn: () => held(api.as(token).GET("/api/v1/identity")) as Promise<Me>,
  });
}

/** Who answers here, the first one first. */
export function useAssistants() {
  const api = useApi();
  return useQuery({
    queryKey: ["assistants"],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () => (await held(api.as(null).GET("/api/v1/assistants"))).items,
  });
}

/** Where there is no word of changes: of what a visitor's tokens open. */
const POLL_MS = 10_000;

export function useSession(id: string) {
  const api = useApi();
  const { account } = useKeys();
  return useQuery({
    refetchInterval: account ? false : POLL_MS,
    queryKey: names.session(id),
    queryFn: () => held(api.of(id).GET("/api/v1/sessions/{session_id}", { params: { path: { session_id: id } } })),
  });
}

/** Should a word ever be missed. */
const POLL_WHILE_TOLD_MS = 60_000;
const PAGE = 30;

interface SessionPage {
  items: ListedSession[];
  next: string | null;
}

/** The sessions there are: an account's, page by page, and those that this device's visits opened. */
export function useSessions() {
  return useInfiniteQuery(listed(useApi(), useKeys()));
}

/** A session's title where the list has been read and holds it; nothing is asked for. */
export function useListedTitle(id: string | undefined): string | null {
  const { data } = useInfiniteQuery({ ...listed(useApi(), useKeys()), enabled: false });
  return data?.pages.flatMap((page) => page.items).find((session) => session.id === id)?.title ?? null;
}

function listed(api: Api, keys: Keys) {
  return infiniteQueryOptions({
    queryKey: [...names.sessions, keys.account, keys.visits.length],
    enabled: keys.account !== null || keys.visits.length > 0,
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => page(api, keys, pageParam),
    getNextPageParam: (last) => last.next,
    refetchInterval: keys.visits.length > 0 ? POLL_MS : POLL_WHILE_TOLD_MS,
    staleTime: 2_000,
  });
}

async function page(api: Api, keys: Keys, cursor: string | null): Promise<SessionPage> {
  const visited = cursor === null ? await visitedSessions(api, keys) : [];
  if (!keys.account) return { items: visited, next: null };
  const query = { limit: PAGE, ...(cursor ? { cursor } : {}) };
  const found = await held(api.as(keys.account).GET("/api/v1/sessions", { params: { query } }));
  const known = new Set(found.items.map((session) => session.id));
  const items = [...visited.filter((session) => !known.has(session.id)), ...found.items];
  if (cursor === null) items.sort((a, b) => b.last_seen_at.localeCompare(a.last_seen_at));
  return { items, next: found.next ?? null };
}

/** Each visit's token opens its own session only. One that has ended is forgotten. */
async function visitedSessions(api: Api, keys: Keys): Promise<ListedSession[]> {
  const found = await Promise.all(
    keys.visits.map(async ({ session, token }) => {
      try {
        // A visit's token lists the one session that it opens.
        const { items } = await held(api.as(token).GET("/api/v1/sessions", { params: { query: { limit: 1 } } }));
        return items[0] ?? null;
      } catch (error) {
        if (Problem.caught(error).status !== 401) throw error;
        api.keys.dropVisit(session);
        return null;
      }
    }),
  );
  return found.filter((session) => session !== null).sort((a, b) => b.last_seen_at.localeCompare(a.last_seen_at));
}

/** Keep what is shown of sessions fresh: it is asked for anew when there is word of a change. */
export function useFollowing(): void {
  const { changes } = useHouse();
  const queries = useQueryClient();
  useEffect(
    () =>
      changes.subscribe(() => {
        void queries.invalidateQueries({ queryKey: names.sessions });
        void queries.invalidateQueries({ queryKey: ["session"] });
      }),
    [changes, queries],
  );
}

/** What of the lists has changed with a session. */
export function sessionChanged(queries: QueryClient, id: string): void {
  void queries.invalidateQueries({ queryKey: names.sessions });
  void queries.invalidateQueries({ queryKey: names.session(id) });
  for (const where of [id, null]) void queries.invalidateQueries({ queryKey: names.recent(where) });
}
