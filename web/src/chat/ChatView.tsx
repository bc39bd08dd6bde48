import { ArrowDown, WifiOff } from "lucide-react";
import { memo, type ReactNode, type Ref, useCallback, useEffect, useImperativeHandle, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { Message } from "@/api/client";
import { useHouse } from "@/api/house";
import { Problem } from "@/api/problem";
import { Button } from "@/components/ui/button";
import { Failure, Loading } from "@/components/ui/states";
import { toast } from "@/components/ui/toast";
import { isEscape } from "@/lib/escape";
import { Composer, type ComposerHandle } from "./Composer";
import { type Actions, Answer, Question, Unsent } from "./MessageView";
import { useChat } from "./useChat";

export interface ChatHandle {
  /** Put a text into the message field. */
  put: (text: string) => void;
  send: (text: string) => void;
  focus: () => void;
}

/** A session's conversation and the field to go on with it. */
export function ChatView({
  session,
  onChange,
  onReopen,
  opening,
  closing,
  ended,
  autoFocus,
  ref,
}: {
  session: string;
  /** Something was said, or an answer is over. */
  onChange?: (session: string) => void;
  /** Open the session again, which has ended. */
  onReopen?: () => Promise<void>;
  /** Stands before the first message. */
  opening?: ReactNode;
  /** Stands after the last one. */
  closing?: ReactNode;
  /** In place of the message field, once the session has ended. */
  ended?: ReactNode;
  autoFocus?: boolean;
  ref?: Ref<ChatHandle>;
}) {
  const [chat, state] = useChat(session, onChange);
  const { messages, live, outgoing } = state;
  const composer = useRef<ComposerHandle>(null);
  const { drafts } = useHouse();
  const wrote = useRef(false);
  const [editing, setEditing] = useState(() => drafts.get(`${session}.edits`));

  const attempt = useCallback((work: Promise<unknown>) => {
    work.catch((error: unknown) => toast(Problem.caught(error).message));
  }, []);
  // What is asked anew is written beside the draft: that one comes back afterwards, and a reload loses neither.
  const edited = useCallback(
    (question: string | null, text: string | null = null) => {
      wrote.current = true;
      drafts.set(`${session}.edits`, question);
      drafts.set(`${session}.edit`, text);
      setEditing(question);
    },
    [drafts, session],
  );
  const edit = useCallback((message: Message) => edited(message.id, message.content), [edited]);
  const send = useCallback(
    (text: string): boolean => {
      const now = chat.get();
      if (now.outgoing?.problem) toast("Send the message above first, or take it back with Edit.");
      if (now.phase === "failed" || now.live || now.outgoing) return false;
      chat.send(text, editing);
      edited(null);
      return true;
    },
    [chat, editing, edited],
  );
  const stop = useCallback(() => attempt(chat.stop()), [attempt, chat]);
  const actions = useMemo<Actions>(
    () => ({
      edit,
      again: (reply) => {
        const question = chat.get().messages.find((message) => message.seq === reply.seq - 1);
        if (reply.status !== "complete") attempt(chat.retry(reply.id));
        else if (question) chat.send(question.content, question.id);
      },
    }),
    [attempt, chat, edit],
  );
  useImperativeHandle(ref, () => ({
    put: (text) => composer.current?.put(text),
    send: (text) => {
      if (!send(text)) composer.current?.put(text);
    },
    focus: () => composer.current?.focus(),
  }));

  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (!isEscape(event) || !(chat.get().live || chat.get().outgoing)) return;
      event.preventDefault(); // to whom it may mean something else
      stop();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [chat, stop]);

  const last = messages.at(-1);
  // A running reply's row is behind what is streamed: it is shown as the live one.
  const liveIsLast = live !== null && last?.id === live.turn;
  const shown = useMemo(() => (liveIsLast ? messages.slice(0, -1) : messages), [liveIsLast, messages]);
  const liveRow = liveIsLast ? (last ?? null) : null;
  const newest = live || outgoing || ended ? 0 : (last?.seq ?? 0);
  const runs = live !== null || (outgoing !== null && !outgoing.problem);

  return (
    <div className="flex h-full min-h-0 flex-col" data-print="flow" data-phase={state.phase}>
      <Scroller chat={chat} growing={live?.text.length ?? -1} count={messages.length + (outgoing ? 1 : 0)} sending={outgoing?.key} older={state.older}>
        <div className={`${ROOM} empty:hidden`}>
          {state.phase === "ready" && messages.length === 0 && !outgoing && !live && opening}
          {state.phase === "loading" && messages.length === 0 && <Loading lines={3} />}
          {state.phase === "failed" && <Failure error={state.problem} onRetry={() => void chat.load()} />}
        </div>
        <Exchanges messages={shown} newest={newest} actions={actions} />
        <div className={`${ROOM} empty:hidden`}>
          {outgoing && (
            <Unsent
              outgoing={outgoing}
              onRetry={() => chat.resend()}
              onTakeBack={() => {
                const taken = chat.takeBack();
                // What the server refused would be refused again: it can be said as a new question.
                if (taken?.replaces && taken.problem?.passing) edited(taken.replaces, taken.text);
                else if (taken) composer.current?.put(taken.text);
              }}
              onReopen={() => onReopen && attempt(onReopen().then(() => chat.resend()))}
            />
          )}
          {live && <Answer key={live.turn} message={liveRow} live={live} newest={false} actions={actions} />}
          {!live && closing}
        </div>
      </Scroller>
      <div className="mx-auto w-full max-w-3xl px-3 pb-3 sm:px-6 sm:pb-5" data-print="hide">
        {state.lost && (
          <p className="mb-2 flex items-center gap-2 rounded-lg bg-warn-soft px-3 py-1.5 text-sm text-warn" data-lost>
            <WifiOff aria-hidden className="size-4" /> The connection is lost. Trying again; nothing is lost.
          </p>
        )}
        {ended || (
          <Composer
            key={editing}
            ref={composer}
            draft={editing ? `${session}.edit` : session}
            running={runs}
            editing={editing !== null}
            onSend={send}
            onStop={stop}
            onUp={() => {
              const question = messages.findLast((message) => message.role === "user");
              if (question && !runs) edit(question);
            }}
            onCancelEdit={() => edited(null)}
            autoFocus={autoFocus || wrote.current}
          />
        )}
      </div>
    </div>
  );
}

/** Half the distance around what stands below each other: a leaf clips what is drawn outside of it. */
const ROOM = "space-y-6 py-3";
const LEAF = 50;

/**
 * The messages, in leaves of which only those that changed are looked at again, and only those near to sight are laid
 * out: a long session has many messages.
 */
const Exchanges = memo(function Exchanges({ messages, newest, actions }: ExchangesProps) {
  const leaves: ReactNode[] = [];
  let from = 0;
  while (from < messages.length) {
    // By seq: what is read later of earlier messages leaves the leaves after it as they were.
    const leaf = Math.floor(messages[from]!.seq / LEAF);
    let to = from + 1;
    while (to < messages.length && (Math.floor(messages[to]!.seq / LEAF) === leaf || isFolded(messages[to - 1]!))) to++;
    leaves.push(<Leaf key={leaf} messages={messages.slice(from, to)} newest={messages[to - 1]!.seq >= newest - 1 ? newest : 0} actions={actions} />);
    from = to;
  }
  return leaves;
});

interface ExchangesProps {
  messages: readonly Message[];
  newest: number;
  actions: Actions;
}

/** Some of the messages; those that were asked anew are folded away. */
const Leaf = memo(
  function Leaf({ messages, newest, actions }: ExchangesProps) {
    const parts: ReactNode[] = [];
    let replaced: Message[] = [];
    const fold = () => {
      if (replaced.length > 0) parts.push(<Replaced key={`r${replaced[0]!.id}`} messages={replaced} actions={actions} />);
      replaced = [];
    };
    for (const message of messages) {
      if (isFolded(message)) {
        replaced.push(message);
        continue;
      }
      fold();
      parts.push(<One key={message.id} message={message} newest={message.seq >= newest - 1 && newest > 0} actions={actions} />);
    }
    fold();
    return (
      <div className={`${ROOM} -mx-3 px-3 [content-visibility:auto]`} style={{ containIntrinsicHeight: `auto ${messages.length * 9}rem` }} data-leaf>
        {parts}
      </div>
    );
  },
  (before, after) =>
    before.newest === after.newest &&
    before.actions === after.actions &&
    before.messages.length === after.messages.length &&
    before.messages.every((message, place) => message === after.messages[place]),
);

function isFolded(message: Message): boolean {
  return Boolean(message.metadata?.replaced_by);
}

function One({ message, newest, actions }: { message: Message; newest: boolean; actions: Actions }) {
  if (message.role === "user") return <Question message={message} newest={newest} actions={actions} />;
  return <Answer message={message} live={null} newest={newest} actions={actions} />;
}

function Replaced({ messages, actions }: { messages: Message[]; actions: Actions }) {
  return (
    <details className="rounded-xl border border-line border-dashed px-4 py-2 text-sm" data-replaced>
      <summary className="cursor-pointer text-muted">Asked anew below. Show what was said first.</summary>
      <div className="mt-3 grid gap-5 opacity-80">
        {messages.map((message) => (
          <One key={message.id} message={message} newest={false} actions={actions} />
        ))}
      </div>
    </details>
  );
}

const NEAR = 80;

/**
 * Scrolls the messages: stays at the end while it grows unless its reader has scrolled up, keeps its place when earlier
 * messages come in before, and goes to the message that the address names.
 */
function Scroller({
  chat,
  growing,
  count,
  sending,
  older,
  children,
}: {
  chat: ReturnType<typeof useChat>[0];
  growing: number;
  count: number;
  /** What is being sent: whoever says something wants to see it. */
  sending: string | undefined;
  older: boolean;
  children: ReactNode;
}) {
  const box = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const pinned = useRef(true);
  const top = useRef(0);
  const fromEnd = useRef<number | null>(null);
  const [away, setAway] = useState(false);
  const [loading, setLoading] = useState(false);

  const toEnd = () => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  const onScroll = () => {
    const element = box.current;
    if (!element) return;
    const far = element.scrollHeight - element.scrollTop - element.clientHeight;
    // Only who scrolls up leaves the end: it also moves away by itself, as the message field grows or an answer does.
    if (far < NEAR) pinned.current = true;
    else if (element.scrollTop < top.current) pinned.current = false;
    top.current = element.scrollTop;
    setAway(far > element.clientHeight / 2);
    if (element.scrollTop < 200 && older && !loading) void loadOlder();
  };
  const loadOlder = async () => {
    setLoading(true);
    try {
      fromEnd.current = box.current ? box.current.scrollHeight - box.current.scrollTop : null;
      await chat.loadOlder();
    } catch (error) {
      toast(Problem.caught(error).message);
    } finally {
      fromEnd.current = null;
      setLoading(false);
    }
  };

  useLayoutEffect(() => {
    if (fromEnd.current !== null && box.current) {
      box.current.scrollTop = box.current.scrollHeight - fromEnd.current;
      fromEnd.current = null;
    } else if (pinned.current) toEnd();
  }, [growing, count]);

  useLayoutEffect(() => {
    if (!sending) return;
    pinned.current = true;
    toEnd();
  }, [sending]);

  useEffect(() => {
    // Pictures of code, fonts and far messages take their real size late.
    const watch = new ResizeObserver(() => pinned.current && toEnd());
    if (inner.current) watch.observe(inner.current);
    if (box.current) watch.observe(box.current);
    return () => watch.disconnect();
  }, []);

  useEffect(() => {
    if (count === 0) return;
    const jump = () => {
      const seq = Number(/^#m(\d+)$/.exec(location.hash)?.[1] ?? 0);
      if (!seq) return;
      pinned.current = false;
      void chat
        .loadTo(seq)
        .then(() => markWhenThere(`m${seq}`))
        .catch((error: unknown) => toast(Problem.caught(error).message));
    };
    jump();
    addEventListener("hashchange", jump);
    return () => removeEventListener("hashchange", jump);
    // biome-ignore lint: only once there is something to jump to
  }, [chat, count > 0]);

  return (
    <div className="relative min-h-0 flex-1" data-print="flow">
      {/* biome-ignore lint: what scrolls has to be reachable by keyboard */}
      <div ref={box} onScroll={onScroll} tabIndex={0} role="region" aria-label="Conversation" className="h-full overflow-y-auto" data-print="flow" data-scroller>
        {/* Blocks, not a grid: a grid lays all its rows out anew when the last one grows. */}
        <div ref={inner} className="mx-auto w-full max-w-3xl px-4 py-3 sm:px-8">
          {older && (
            <Button variant="quiet" size="sm" className="mx-auto flex!" disabled={loading} onClick={() => void loadOlder()} data-print="hide">
              Earlier messages
            </Button>
          )}
          {children}
        </div>
      </div>
      {away && (
        <Button
          size="icon"
          className="absolute inset-x-0 bottom-3 mx-auto rounded-full shadow-float"
          aria-label="To the newest message"
          onClick={() => {
            pinned.current = true;
            toEnd();
          }}
          data-print="hide"
        >
          <ArrowDown />
        </Button>
      )}
    </div>
  );
}

const FRAMES = 60;

/** Mark a message as soon as it is drawn: many at once take some frames. */
function markWhenThere(id: string, frames = FRAMES): void {
  const element = document.getElementById(id);
  if (element) mark(element);
  else if (frames > 0) requestAnimationFrame(() => markWhenThere(id, frames - 1));
}

function mark(element: HTMLElement): void {
  element.scrollIntoView({ block: "center" });
  element.focus({ preventScroll: true });
  element.dataset.marked = "true";
  setTimeout(() => delete element.dataset.marked, 3000);
}
