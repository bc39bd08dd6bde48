import { type InfiniteData, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useSyncExternalStore } from "react";
import { type Api, held, type Session } from "@/api/client";
import { useHouse } from "@/api/house";
import { Problem } from "@/api/problem";
import { names, sessionChanged } from "@/api/queries";
import { toast } from "@/components/ui/toast";

/** Sessions that are about to be deleted: gone from the page, not yet from the server. */
let leaving: ReadonlySet<string> = new Set();
const listeners = new Set<() => void>();

function setLeaving(next: ReadonlySet<string>) {
  leaving = next;
  for (const listener of listeners) listener();
}

export function useLeaving(): ReadonlySet<string> {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => leaving,
  );
}

/** Begin a session: with an account a further one; for a visitor a further visit under the same name. */
export async function beginSession(api: Api): Promise<string> {
  const { account, visitor } = api.keys.get();
  if (account) return (await held(api.as(account).POST("/api/v1/sessions", { body: {} as never }))).id;
  const said = visitor ?? { name: "", email: "", phone: "" };
  const found = await held(
    api.as(null).POST("/api/v1/identity/check-in", {
      body: { name: said.name || null, email: said.email || null, phone: said.phone || null },
    }),
  );
  api.keys.addVisit({ session: found.session_id, token: found.token }, said);
  return found.session_id;
}

/** What can be done with sessions from anywhere on the page. Each says by itself what went wrong. */
export function useSessionActions() {
  const { api, drafts } = useHouse();
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useMemo(() => {
    const path = (id: string) => ({ params: { path: { session_id: id } } });
    const attempt = async (work: () => Promise<void>) => {
      try {
        await work();
      } catch (error) {
        toast(Problem.caught(error).message);
      }
    };
    return {
      begin: () =>
        attempt(async () => {
          const id = await beginSession(api);
          void queries.invalidateQueries({ queryKey: names.sessions });
          await navigate({ to: "/s/$sessionId", params: { sessionId: id } });
        }),
      rename: (id: string, title: string) =>
        attempt(async () => {
          const session = await held(api.of(id).PATCH("/api/v1/sessions/{session_id}", { ...path(id), body: { title } }));
          queries.setQueryData(names.session(id), session);
          sessionChanged(queries, id);
        }),
      end: (id: string) =>
        attempt(async () => {
          await held(api.of(id).POST("/api/v1/sessions/{session_id}/end", path(id)));
          sessionChanged(queries, id);
          void queries.invalidateQueries({ queryKey: ["summary", id] });
        }),
      remove: (session: Pick<Session, "id" | "title">) => {
        const { id } = session;
        // Taken now: the key may be gone by the time the toast is.
        const token = api.keys.token(id);
        const address = `${api.base}/api/v1/sessions/${id}`;
        const headers = { authorization: `Bearer ${token}` };
        const atOnce = () => void fetch(address, { method: "DELETE", headers, keepalive: true });
        const stay = () => {
          removeEventListener("pagehide", atOnce);
          setLeaving(new Set([...leaving].filter((other) => other !== id)));
        };
        setLeaving(new Set([...leaving, id]));
        // Whoever closes the page does not take it back.
        addEventListener("pagehide", atOnce);
        toast(`Deleted “${session.title ?? "New session"}”`, {
          action: { label: "Undo", run: stay },
          onGone: () =>
            attempt(async () => {
              try {
                await held(api.as(token).DELETE("/api/v1/sessions/{session_id}", path(id)));
                drafts.set(id, null);
                api.keys.dropVisit(id);
                queries.setQueriesData<InfiniteData<{ items: Session[] }>>({ queryKey: names.sessions }, (data) =>
                  data && { ...data, pages: data.pages.map((page) => ({ ...page, items: page.items.filter((item) => item.id !== id) })) },
                );
              } finally {
                stay();
                sessionChanged(queries, id);
              }
            }),
        });
        void navigate({ to: "/" });
      },
    };
  }, [api, drafts, queries, navigate]);
}
