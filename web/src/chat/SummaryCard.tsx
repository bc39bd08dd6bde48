import { useQuery, useQueryClient } from "@tanstack/react-query";
import { BookmarkCheck, PencilLine, RotateCcw } from "lucide-react";
import { type FormEvent, useState } from "react";
import { held, type Schema, type Session } from "@/api/client";
import { useApi } from "@/api/house";
import { sessionChanged } from "@/api/queries";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Field, TextArea } from "@/components/ui/field";
import { Points } from "@/components/ui/points";
import { Failure, Loading, Spinner } from "@/components/ui/states";
import { announce } from "@/lib/live";

type Summary = Schema<"Summary">;

const WAIT_MS = 1_500;

/** What an ended session was about. Its user can say it better, and can open the session again. */
export function SummaryCard({ session, onReopen }: { session: Session; onReopen: () => Promise<void> }) {
  const api = useApi();
  const [correcting, setCorrecting] = useState<boolean | null>(null);
  const state = useQuery({
    queryKey: ["summary", session.id, session.ended_at],
    queryFn: () => held(api.of(session.id).GET("/api/v1/sessions/{session_id}/summary", { params: { path: { session_id: session.id } } })),
    refetchInterval: ({ state: { data } }) => (data?.status === "pending" ? WAIT_MS : false),
  });
  const summary = state.data?.summary ?? null;
  const pending = state.data?.status === "pending";
  return (
    <section aria-label="Summary" className="rounded-2xl border border-line bg-surface p-5" data-summary={state.data?.status}>
      <div className="mb-3 flex flex-wrap items-center gap-2">
        <BookmarkCheck aria-hidden className="size-5 text-accent-ink" />
        <h2 className="font-semibold">This session has ended</h2>
        {summary?.corrected && summary.corrected.length > 0 && <Badge tone="accent">In your words</Badge>}
      </div>
      {state.isPending && <Loading lines={2} />}
      {state.isError && <Failure error={state.error} onRetry={() => void state.refetch()} />}
      {pending && !summary && (
        <p className="flex items-center gap-2 text-muted">
          <Spinner /> The summary is being written…
        </p>
      )}
      {state.data?.status === "none" && !summary && <p className="text-muted">Nothing was said, so there is nothing to sum up.</p>}
      {summary && !correcting && <Read summary={summary} />}
      {summary && correcting && <Correct session={session.id} summary={summary} onDone={() => setCorrecting(false)} />}
      {!correcting && (
        <div className="mt-4 flex flex-wrap gap-2" data-print="hide">
          <Button size="sm" onClick={() => void onReopen()}>
            <RotateCcw /> Reopen
          </Button>
          {summary && (
            <Button size="sm" variant="quiet" autoFocus={correcting === false} onClick={() => setCorrecting(true)}>
              <PencilLine /> Correct
            </Button>
          )}
        </div>
      )}
    </section>
  );
}

function Read({ summary }: { summary: Summary }) {
  return (
    <div className="grid gap-3">
      <p dir="auto" className="whitespace-pre-wrap leading-relaxed [overflow-wrap:anywhere]">
        {summary.text}
      </p>
      {(summary.topics?.length ?? 0) > 0 && (
        <div>
          <h3 className="mb-1 font-medium text-muted text-xs">Topics</h3>
          <ul className="flex flex-wrap gap-1.5">
            {summary.topics?.map((topic) => (
              <li key={topic} className="max-w-full">
                <Badge dir="auto" className="max-w-full truncate">
                  {topic}
                </Badge>
              </li>
            ))}
          </ul>
        </div>
      )}
      <Points name="Open questions" points={summary.open_questions} />
      <Points name="Milestones" points={summary.milestones} />
    </div>
  );
}

function Correct({ session, summary, onDone }: { session: string; summary: Summary; onDone: () => void }) {
  const api = useApi();
  const queries = useQueryClient();
  const [problem, setProblem] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const lines = (name: string) =>
      String(given.get(name))
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean);
    const said = { text: String(given.get("text")).trim(), topics: lines("topics"), open_questions: lines("open_questions") };
    // What was left as it is stays the server's, to be summed up anew when the session goes on.
    const body = Object.fromEntries(
      Object.entries(said).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(summary[name as keyof Summary] ?? [])),
    );
    if (Object.keys(body).length === 0) return onDone();
    setBusy(true);
    setProblem(null);
    try {
      await held(api.of(session).PATCH("/api/v1/sessions/{session_id}/summary", { params: { path: { session_id: session } }, body }));
      await queries.invalidateQueries({ queryKey: ["summary", session] });
      sessionChanged(queries, session);
      announce("The summary is corrected.");
      onDone();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  return (
    <form onSubmit={submit} className="grid gap-4">
      <Field label="What it was about">
        {(props) => <TextArea {...props} name="text" required maxLength={2000} rows={4} defaultValue={summary.text} dir="auto" autoFocus />}
      </Field>
      <Field label="Topics" hint="One a line.">
        {(props) => <TextArea {...props} name="topics" defaultValue={summary.topics?.join("\n")} dir="auto" />}
      </Field>
      <Field label="Open questions" hint="One a line.">
        {(props) => <TextArea {...props} name="open_questions" defaultValue={summary.open_questions?.join("\n")} dir="auto" />}
      </Field>
      {problem !== null && <Failure error={problem} />}
      <div className="flex gap-2">
        <Button variant="solid" size="sm" type="submit" disabled={busy}>
          Save
        </Button>
        <Button size="sm" variant="quiet" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
