import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useSyncExternalStore } from "react";
import { beginSession } from "@/api/begin";
import { held, type Session } from "@/api/client";
import { useHouse } from "@/api/house";
import { Problem } from "@/api/problem";
import { names, sessionChanged } from "@/api/queries";
import { toast } from "@/components/ui/toast";

/** Sessions that were deleted a moment ago: lists hide them, also those that were read before. */
let leaving: ReadonlySet<string> = new Set();
const listeners = new Set<() => void>();

function setLeaving(id: string, leaves: boolean) {
  leaving = new Set(leaves ? [...leaving, id] : [...leaving].filter((other) => other !== id));
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
      begin: (assistant: string | null = null) =>
        attempt(async () => {
          const id = await beginSession(api, assistant);
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
      reopen: (id: string) =>
        attempt(async () => {
          queries.setQueryData(names.session(id), await held(api.of(id).POST("/api/v1/sessions/{session_id}/reopen", path(id))));
          sessionChanged(queries, id);
        }),
      /** At once; the server keeps it a while, so that it can be taken back. */
      remove: (session: Pick<Session, "id" | "title">) =>
        attempt(async () => {
          const { id } = session;
          setLeaving(id, true);
          try {
            await held(api.of(id).DELETE("/api/v1/sessions/{session_id}", path(id)));
          } catch (error) {
            setLeaving(id, false);
            throw error;
          }
          const open = location.pathname === `/s/${id}`;
          if (open) void navigate({ to: "/" });
          toast(`Deleted “${session.title ?? "New session"}”`, {
            action: {
              label: "Undo",
              run: () =>
                void attempt(async () => {
                  await held(api.of(id).POST("/api/v1/sessions/{session_id}/restore", path(id)));
                  setLeaving(id, false);
                  sessionChanged(queries, id);
                  if (open) await navigate({ to: "/s/$sessionId", params: { sessionId: id } });
                }),
            },
            onGone: () => {
              drafts.set(id, null);
              api.keys.dropVisit(id);
              setLeaving(id, false);
              sessionChanged(queries, id);
            },
          });
        }),
    };
  }, [api, drafts, queries, navigate]);
}
