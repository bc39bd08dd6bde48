import { useQuery } from "@tanstack/react-query";
import { ArrowUpRight, ChevronDown } from "lucide-react";
import { type MouseEvent, useState } from "react";
import { held, type Schema } from "@/api/client";
import { useApi } from "@/api/house";
import { names, useSession } from "@/api/queries";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Failure, Loading } from "@/components/ui/states";
import { cn } from "@/lib/cn";
import { ago, exactly } from "@/lib/dates";
import { Markdown } from "./Markdown";
import { SessionLink } from "./Sources";

type Interaction = Schema<"InteractionOut">;

/**
 * The newest questions and their answers, over all sessions. A click on a question is `onAsk(question, false)`: it goes
 * into the message field; with Ctrl or Cmd held it is `onAsk(question, true)`: it is sent.
 */
export function RecentInteractions({
  session,
  limit = 10,
  onAsk,
}: {
  /** The session that is open: its information stands above. */
  session: string | null;
  limit?: number;
  onAsk: (question: string, send: boolean) => void;
}) {
  const api = useApi();
  const recent = useQuery({
    queryKey: [...names.recent(session), limit],
    queryFn: () => held(api.of(session).GET("/api/v1/me/interactions", { params: { query: { limit } } })),
  });
  return (
    <section aria-label="Recent questions" className="flex min-h-0 flex-1 flex-col">
      {session && <SessionInformation session={session} />}
      <h2 className="px-4 pt-4 pb-2 font-medium text-muted text-xs">Recent questions</h2>
      <div className="min-h-0 flex-1 overflow-y-auto px-2 pb-4">
        {recent.isPending && <Loading className="px-2" lines={4} />}
        {recent.isError && <Failure error={recent.error} onRetry={() => void recent.refetch()} />}
        {recent.data?.items.length === 0 && <p className="px-2 text-muted text-sm">What you ask will be listed here, to ask it again.</p>}
        <ul className="grid grid-cols-1 gap-0.5">
          {recent.data?.items.map((interaction) => (
            <One key={interaction.id} interaction={interaction} onAsk={onAsk} />
          ))}
        </ul>
      </div>
    </section>
  );
}

function One({ interaction, onAsk }: { interaction: Interaction; onAsk: (question: string, send: boolean) => void }) {
  const [open, setOpen] = useState(false);
  const { id, question, answer, status, created_at, session_id, seq } = interaction;
  const ask = (event: MouseEvent) => onAsk(question, event.ctrlKey || event.metaKey);
  return (
    <li className="rounded-lg hover:bg-ink/5">
      <div className="flex items-start">
        <button type="button" onClick={ask} title="Ask again. With Ctrl: send at once." className="min-w-0 flex-1 rounded-lg px-2 py-1.5 text-start">
          <span className={cn("block text-sm", open ? "whitespace-pre-wrap [overflow-wrap:anywhere]" : "truncate")} dir="auto">
            {question}
          </span>
          <time dateTime={created_at} title={exactly(created_at)} className="text-muted text-xs">
            {ago(created_at)}
            {status !== "complete" && ` · ${NOT_COMPLETE[status]}`}
          </time>
        </button>
        <Button
          variant="quiet"
          size="icon-sm"
          className="mt-0.5"
          aria-expanded={open}
          aria-controls={`answer-${id}`}
          aria-label={open ? "Hide the answer" : "Show the answer"}
          onClick={() => setOpen(!open)}
        >
          <ChevronDown className={cn("transition-transform", open && "rotate-180")} />
        </Button>
      </div>
      <div id={`answer-${id}`} hidden={!open} className="px-2 pb-2">
        {open && (
          <>
            <div className="max-h-64 overflow-y-auto text-sm" tabIndex={0} role="region" aria-label="Answer">
              {answer ? <Markdown text={answer} /> : <p className="text-muted">There is no answer.</p>}
            </div>
            <SessionLink session={session_id} seq={seq} className="mt-1.5 inline-flex items-center gap-1 text-accent-ink text-sm underline underline-offset-2">
              Go to the answer <ArrowUpRight aria-hidden className="size-3.5" />
            </SessionLink>
          </>
        )}
      </div>
    </li>
  );
}

const NOT_COMPLETE = { running: "being answered", failed: "failed", cancelled: "stopped", interrupted: "interrupted" } as const;

function SessionInformation({ session }: { session: string }) {
  const { data } = useSession(session);
  if (!data) return null;
  return (
    <div className="grid grid-cols-1 gap-1 border-b px-4 py-3 text-sm" data-session-information>
      <div className="flex items-center justify-between gap-2">
        <span className="truncate font-medium" dir="auto">
          {data.title ?? "New session"}
        </span>
        <Badge tone={data.status === "active" ? "good" : "plain"}>{data.status === "active" ? "Open" : "Ended"}</Badge>
      </div>
      <p className="text-muted text-xs">
        Began {ago(data.started_at)} · {data.message_count} {data.message_count === 1 ? "message" : "messages"} · {data.assistant}
      </p>
    </div>
  );
}
