import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Archive, Ellipsis, PanelRight, Pencil, Printer, RotateCcw, Trash2 } from "lucide-react";
import { useCallback, useEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { Problem } from "@/api/problem";
import { sessionChanged, useSession } from "@/api/queries";
import { useSessionActions } from "@/app/actions";
import { Bar } from "@/app/Bar";
import { NotFoundView } from "@/app/ErrorView";
import { Rename } from "@/app/SessionList";
import { type ChatHandle, ChatView } from "@/chat/ChatView";
import { RecentInteractions } from "@/chat/RecentInteractions";
import { SummaryCard } from "@/chat/SummaryCard";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Sheet } from "@/components/ui/dialog";
import { Menu, MenuItem, MenuLine } from "@/components/ui/menu";
import { Tooltip } from "@/components/ui/tooltip";
import { Opening } from "@/identity/Opening";

const PANEL = "rekindle.panel";

/** One session: what was said, and beside it what was asked lately. */
export function SessionView() {
  const { sessionId } = useParams({ from: "/shell/s/$sessionId" });
  // A view of its own for each session: nothing of one is left over in the next.
  return <OneSession key={sessionId} id={sessionId} />;
}

function OneSession({ id }: { id: string }) {
  const { data: session, error } = useSession(id);
  const actions = useSessionActions();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const chat = useRef<ChatHandle>(null);
  const [naming, setNaming] = useState(false);
  const [sheet, setSheet] = useState(false);
  const [panel, setPanel] = useState(wantsPanel);
  const title = session?.title ?? "New session";
  const ended = session?.status === "ended";

  useEffect(() => {
    document.title = `${title} · Rekindle`;
  }, [title]);

  const changed = useCallback((which: string) => sessionChanged(queries, which), [queries]);
  const reopen = useCallback(() => actions.reopen(id), [actions, id]);
  const ask = (question: string, send: boolean) => {
    // Closed first: what is open keeps the focus to itself.
    flushSync(() => setSheet(false));
    if (send) chat.current?.send(question);
    else chat.current?.put(question);
  };
  const togglePanel = () => {
    if (!matchMedia("(min-width: 80rem)").matches) return setSheet(true);
    setPanel(!panel);
    try {
      localStorage.setItem(PANEL, panel ? "closed" : "open");
    } catch {
      // It holds until the page is left.
    }
  };

  if (error && [401, 404].includes(Problem.caught(error).status)) return <NotFoundView />;
  return (
    <div className="flex h-full min-h-0" data-print="flow">
      <Bar>
        <h1 className="truncate font-medium" dir="auto">
          {title}
        </h1>
        {ended && <Badge>Ended</Badge>}
      </Bar>
      <Bar actions>
        {!ended && session && session.message_count > 0 && (
          <Button variant="outline" size="sm" onClick={() => void actions.end(id)}>
            <Archive /> <span className="max-sm:sr-only">End session</span>
          </Button>
        )}
        <Tooltip text="Recent questions">
          <Button variant="quiet" size="icon" aria-label="Recent questions" aria-pressed={panel} onClick={togglePanel}>
            <PanelRight className="rtl:-scale-x-100" />
          </Button>
        </Tooltip>
        <Menu
          button={
            <Button variant="quiet" size="icon" aria-label="More for this session">
              <Ellipsis />
            </Button>
          }
        >
          <MenuItem onSelect={() => setNaming(true)}>
            <Pencil /> Rename
          </MenuItem>
          <MenuItem onSelect={() => print()}>
            <Printer /> Print
          </MenuItem>
          {ended && (
            <MenuItem onSelect={() => void reopen()}>
              <RotateCcw /> Reopen
            </MenuItem>
          )}
          <MenuLine />
          <MenuItem danger onSelect={() => void actions.remove({ id, title })}>
            <Trash2 /> Delete
          </MenuItem>
        </Menu>
      </Bar>
      <div className="min-w-0 flex-1" data-print="flow">
        <ChatView
          ref={chat}
          session={id}
          onChange={changed}
          onReopen={reopen}
          opening={
            <Opening
              session={id}
              onContinue={(other) => void navigate({ to: "/s/$sessionId", params: { sessionId: other } })}
              onAsk={(question) => ask(question, false)}
            />
          }
          closing={ended && session && <SummaryCard session={session} onReopen={reopen} />}
          ended={
            ended && (
              <div className="flex flex-wrap items-center justify-between gap-2 rounded-2xl border border-line bg-sunken px-4 py-2 text-muted text-sm">
                This session has ended.
                <Button size="sm" onClick={() => void reopen()}>
                  <RotateCcw /> Reopen
                </Button>
              </div>
            )
          }
          autoFocus={matchMedia("(hover: hover)").matches}
        />
      </div>
      {panel && (
        <aside aria-label="About this session" className="hidden w-80 shrink-0 border-s bg-sunken xl:flex xl:flex-col" data-print="hide">
          <RecentInteractions session={id} onAsk={ask} />
        </aside>
      )}
      <Sheet open={sheet} onOpenChange={setSheet} title="Recent questions" side="end">
        <RecentInteractions session={id} onAsk={ask} />
      </Sheet>
      {naming && session && <Rename session={session} onDone={() => setNaming(false)} />}
    </div>
  );
}

function wantsPanel(): boolean {
  try {
    return localStorage.getItem(PANEL) !== "closed";
  } catch {
    return true;
  }
}
