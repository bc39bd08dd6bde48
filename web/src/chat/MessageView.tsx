import { CircleAlert, CircleSlash, PencilLine, RotateCcw, Unplug } from "lucide-react";
import { memo, type ReactNode } from "react";
import type { Message } from "@/api/client";
import type { Given, Source } from "@/api/stream";
import { Button } from "@/components/ui/button";
import { Spinner } from "@/components/ui/states";
import { cn } from "@/lib/cn";
import { clock, exactly } from "@/lib/dates";
import { CopyButton } from "./CopyButton";
import type { Live, Outgoing, Status } from "./engine";
import { FinishedMarkdown, GrowingMarkdown } from "./Markdown";
import { recalledSessions } from "./recalled";
import { SourceChip } from "./Sources";

// Far ones are not laid out: a thousand messages cost no more than those that are seen.
const row = "group/message [content-visibility:auto] [contain-intrinsic-size:auto_9rem] scroll-mt-6";

export interface Actions {
  edit: (message: Message) => void;
  again: (message: Message) => void;
}

/** What somebody asked. */
export const Question = memo(function Question({
  message,
  newest,
  actions,
}: {
  message: Message;
  /** Whether it is the session's newest: that one can be asked anew. */
  newest: boolean;
  actions: Actions;
}) {
  return (
    <article aria-label="You" data-message={message.seq} id={`m${message.seq}`} tabIndex={-1} className={cn(row, "outline-none")}>
      <Bubble>{message.content}</Bubble>
      <div className="mt-0.5 flex items-center justify-end gap-0.5 text-muted" data-print="hide">
        <Quiet>
          {newest && (
            <Button variant="quiet" size="icon-sm" aria-label="Edit and send again" title="Edit and send again" onClick={() => actions.edit(message)}>
              <PencilLine />
            </Button>
          )}
          <CopyButton name="Copy the question" text={() => message.content} />
        </Quiet>
        <Time at={message.created_at} />
      </div>
    </article>
  );
});

/** A question on its way, or one that did not get through. */
export function Unsent({
  outgoing,
  onRetry,
  onTakeBack,
  onReopen,
}: {
  outgoing: Outgoing;
  onRetry: () => void;
  onTakeBack: () => void;
  onReopen: () => void;
}) {
  const { problem } = outgoing;
  const ended = problem?.code === "session_ended";
  return (
    <article aria-label="You" className="grid gap-2" data-unsent>
      <Bubble className={problem ? "opacity-70" : ""}>{outgoing.text}</Bubble>
      {problem ? (
        <div className="flex flex-wrap items-center justify-end gap-2 text-danger text-sm">
          <span>
            <CircleAlert aria-hidden className="me-1.5 inline size-4" />
            Not sent. {problem.message}
          </span>
          {ended ? (
            <Button size="sm" onClick={onReopen}>
              Reopen and send
            </Button>
          ) : (
            <Button size="sm" onClick={onRetry}>
              Retry
            </Button>
          )}
          <Button size="sm" variant="quiet" onClick={onTakeBack}>
            Edit
          </Button>
        </div>
      ) : (
        <p className="text-end text-muted text-xs">{outgoing.stopping ? "Stopping…" : "Sending…"}</p>
      )}
    </article>
  );
}

/** An answer, as far as it is. */
export const Answer = memo(function Answer({
  message,
  live,
  newest,
  actions,
}: {
  /** Not there yet when the answer has just begun. */
  message: Message | null;
  live: Live | null;
  newest: boolean;
  actions: Actions;
}) {
  const seq = message?.seq;
  return (
    <article
      aria-label="Rekindle"
      aria-busy={live ? true : undefined}
      data-message={seq ?? "new"}
      data-status={live ? "running" : message?.status}
      id={seq ? `m${seq}` : undefined}
      tabIndex={-1}
      className={cn(row, "grid grid-cols-1 gap-2 outline-none")}
    >
      {live && <Doing statuses={live.statuses} recalled={message ? recalledOf(message) : []} waiting={live.text === ""} stopping={live.stopping} />}
      <div data-answer>{live ? <GrowingMarkdown text={live.text} /> : message?.content && <FinishedMarkdown text={message.content} />}</div>
      {message && !live && <Afterwards message={message} newest={newest} actions={actions} />}
    </article>
  );
});

function Bubble({ className, children }: { className?: string; children: string }) {
  return (
    // At the page's end, whichever way its own words run.
    <div className={cn("ms-auto w-fit max-w-[85%] rounded-2xl rounded-ee-md bg-accent-soft px-4 py-2.5", className)}>
      <p dir="auto" className="whitespace-pre-wrap leading-relaxed [overflow-wrap:anywhere]">
        {children}
      </p>
    </div>
  );
}

/** What comes after a finished answer: how it ended, where it is from, what can be done with it. */
function Afterwards({ message, newest, actions }: { message: Message; newest: boolean; actions: Actions }) {
  return (
    <>
      <Ending message={message} />
      <From message={message} />
      <div className="flex items-center gap-0.5 text-muted" data-print="hide">
        <Time at={message.completed_at ?? message.created_at} />
        <Quiet always={newest}>
          {message.content && <CopyButton name="Copy the answer" text={() => message.content} />}
          {newest && message.status === "complete" && (
            <Button variant="quiet" size="icon-sm" aria-label="Answer anew" title="Answer anew" onClick={() => actions.again(message)}>
              <RotateCcw />
            </Button>
          )}
        </Quiet>
        {newest && message.status !== "complete" && (
          <Button size="sm" onClick={() => actions.again(message)}>
            <RotateCcw /> Retry
          </Button>
        )}
      </div>
    </>
  );
}

function Ending({ message }: { message: Message }) {
  if (message.status === "cancelled") return <Label icon={<CircleSlash />}>Stopped. What had been said is kept.</Label>;
  if (message.status === "interrupted")
    return <Label icon={<Unplug />}>Interrupted: the server stopped in the middle of this answer.</Label>;
  if (message.status === "failed")
    return (
      <Label icon={<CircleAlert />} danger>
        This answer failed. {message.error?.message}
      </Label>
    );
  return null;
}

function Label({ icon, danger, children }: { icon: ReactNode; danger?: boolean; children: ReactNode }) {
  return (
    <p
      className={cn(
        "flex w-fit items-start gap-2 rounded-lg px-3 py-1.5 text-sm [&_svg]:mt-1 [&_svg]:size-3.5 [&_svg]:shrink-0",
        danger ? "bg-danger-soft text-danger" : "bg-warn-soft text-warn",
      )}
      data-ending
    >
      {icon}
      <span>{children}</span>
    </p>
  );
}

/** The sources of an answer, and the past sessions that it was given. */
function From({ message }: { message: Message }) {
  const sources = sourcesOf(message);
  const recalled = recalledOf(message);
  if (sources.length === 0 && recalled.length === 0) return null;
  return (
    <div className="flex flex-wrap items-center gap-1.5" data-sources>
      {sources.map((source) => (
        <SourceChip key={source.id} source={source} />
      ))}
      <Recalled recalled={recalled} />
    </div>
  );
}

function recalledOf(message: Message): Source[] {
  return recalledSessions((message.context_used ?? []) as Given[], message.session_id);
}

function Recalled({ recalled }: { recalled: Source[] }) {
  const chips = recalled.map((source) => <SourceChip key={source.id} source={source} />);
  if (chips.length < 2) return chips;
  return (
    <details className="text-muted text-xs">
      <summary className="cursor-pointer py-0.5">Recalled {chips.length} past sessions</summary>
      <span className="flex flex-wrap gap-1.5 py-1">{chips}</span>
    </details>
  );
}

function sourcesOf(message: Message): Source[] {
  const sources = message.metadata?.sources;
  if (!Array.isArray(sources)) return [];
  return sources.filter((source): source is Source => typeof source === "object" && source !== null && "id" in source);
}

/** What the assistant is doing, one line each, with what came of it. */
function Doing({
  statuses,
  recalled,
  waiting,
  stopping,
}: {
  statuses: Status[];
  recalled: Source[];
  waiting: boolean;
  stopping: boolean;
}) {
  const lines = statuses.length === 0 && waiting ? [{ text: "Thinking…", sources: [] }] : statuses;
  return (
    <ul className="grid gap-1 text-muted text-sm" data-doing>
      {lines.map((status, place) => (
        // biome-ignore lint: lines only ever come at the end
        <li key={place} className="flex flex-wrap items-center gap-1.5">
          {waiting && place === lines.length - 1 ? <Spinner className="size-3.5" /> : <span aria-hidden className="size-1.5 rounded-full bg-line-strong" />}
          <span dir="auto">{status.text}</span>
          {status.sources.map((source) => (
            <SourceChip key={source.id} source={source} />
          ))}
          {status.text.startsWith("Recalling") && status.sources.length === 0 && <Recalled recalled={recalled} />}
        </li>
      ))}
      {stopping && <li>Stopping…</li>}
    </ul>
  );
}

/** Buttons that come forward when they are wanted. */
function Quiet({ always, children }: { always?: boolean; children: ReactNode }) {
  return (
    <span
      className={cn(
        "flex gap-0.5",
        !always && "opacity-0 focus-within:opacity-100 group-hover/message:opacity-100 pointer-coarse:opacity-100",
      )}
    >
      {children}
    </span>
  );
}

function Time({ at }: { at: string }) {
  return (
    <time dateTime={at} title={exactly(at)} className="pe-1.5 text-xs">
      {clock(at)}
    </time>
  );
}
