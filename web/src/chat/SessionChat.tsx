import { useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { type ReactNode, type Ref, useCallback } from "react";
import { held } from "@/api/client";
import { useApi } from "@/api/house";
import { Problem } from "@/api/problem";
import { sessionChanged, useFollowing, useSession } from "@/api/queries";
import { Button } from "@/components/ui/button";
import { toast } from "@/components/ui/toast";
import { type ChatHandle, ChatView } from "./ChatView";
import { SummaryCard } from "./SummaryCard";

/** A session where there is nothing around it: its conversation and, once it has ended, its summary and the ways on. */
export function SessionChat({
  session,
  onBegin,
  onChange,
  opening,
  ref,
}: {
  session: string;
  /** A new session is wanted, as this one has ended. */
  onBegin: () => void;
  onChange?: (session: string) => void;
  opening?: ReactNode;
  ref?: Ref<ChatHandle>;
}) {
  const api = useApi();
  const queries = useQueryClient();
  const { data } = useSession(session);
  useFollowing();
  const ended = data?.status === "ended";
  const reopen = useCallback(async () => {
    await held(api.of(session).POST("/api/v1/sessions/{session_id}/reopen", { params: { path: { session_id: session } } }));
    sessionChanged(queries, session);
  }, [api, queries, session]);
  const changed = useCallback(
    (which: string) => {
      sessionChanged(queries, which);
      onChange?.(which);
    },
    [queries, onChange],
  );
  return (
    <ChatView
      ref={ref}
      session={session}
      onChange={changed}
      onReopen={reopen}
      opening={opening}
      closing={ended && <SummaryCard session={data} onReopen={() => reopen().catch((error: unknown) => toast(Problem.caught(error).message))} />}
      ended={
        ended && (
          <div className="flex flex-wrap items-center justify-between gap-2 rounded-2xl border border-line bg-sunken px-4 py-3 text-muted text-sm">
            This session has ended.
            <Button variant="solid" size="sm" onClick={onBegin}>
              <Plus /> New session
            </Button>
          </div>
        )
      }
    />
  );
}
