import { Link } from "@tanstack/react-router";
import { Archive, CircleCheck, Ellipsis, MessageSquare, Pencil, Trash2 } from "lucide-react";
import { type FormEvent, type MouseEvent, memo, useEffect, useRef, useState } from "react";
import type { ListedSession as Session } from "@/api/client";
import { useSessions } from "@/api/queries";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input } from "@/components/ui/field";
import { Menu, MenuItem, MenuLine } from "@/components/ui/menu";
import { Failure, Loading } from "@/components/ui/states";
import { byDate, exactly } from "@/lib/dates";
import { cn } from "@/lib/cn";
import { useLeaving, useSessionActions } from "./actions";

/** The sessions, newest first, grouped by date; it follows what happens elsewhere by itself. */
export function SessionList({ current }: { current: string | null }) {
  const list = useSessions();
  const leaving = useLeaving();
  const [naming, setNaming] = useState<Session | null>(null);
  const found = new Map(list.data?.pages.flatMap((page) => page.items).map((session) => [session.id, session]));
  const sessions = [...found.values()].filter((session) => !leaving.has(session.id));
  // The button may be gone once more have come: whoever used it goes on at the first of them.
  const goOn = useRef<{ side: Element | null; at: number } | null>(null);
  useEffect(() => {
    if (!goOn.current || sessions.length <= goOn.current.at) return;
    goOn.current.side?.querySelectorAll<HTMLElement>("li > a")[goOn.current.at]?.focus();
    goOn.current = null;
  }, [sessions.length]);
  if (list.isPending) return <Loading className="pt-2" lines={5} />;
  if (list.isError && !list.data) return <Failure error={list.error} onRetry={() => void list.refetch()} />;
  const more = (event: MouseEvent) => {
    goOn.current = { side: event.currentTarget.closest("nav"), at: sessions.length };
    void list.fetchNextPage();
  };
  if (sessions.length === 0) return <p className="px-2.5 py-4 text-muted text-sm">Your sessions will be listed here.</p>;
  return (
    <>
      {byDate(sessions, (session) => session.last_seen_at).map(({ name, items }) => (
        <section key={name} aria-label={name} className="mt-3 first:mt-0">
          <h2 className="px-2.5 pb-1 font-medium text-muted text-xs">{name}</h2>
          <ul className="grid grid-cols-1 gap-0.5">
            {items.map((session) => (
              <Row key={session.id} session={session} current={session.id === current} onRename={setNaming} />
            ))}
          </ul>
        </section>
      ))}
      {list.hasNextPage && (
        <Button variant="quiet" size="sm" className="mt-2 w-full" disabled={list.isFetchingNextPage} onClick={more}>
          Show more
        </Button>
      )}
      {naming && <Rename session={naming} onDone={() => setNaming(null)} />}
    </>
  );
}

const Row = memo(function Row({ session, current, onRename }: { session: Session; current: boolean; onRename: (session: Session) => void }) {
  const actions = useSessionActions();
  const title = session.title ?? "New session";
  const ended = session.status === "ended";
  const line = session.summary_line;
  return (
    <li className="group relative">
      <Link
        to="/s/$sessionId"
        params={{ sessionId: session.id }}
        aria-current={current ? "page" : undefined}
        title={`${title}\n${exactly(session.last_seen_at)}`}
        className={cn("block rounded-lg py-1.5 ps-2.5 pe-9 hover:bg-ink/7", current && "bg-ink/8")}
      >
        <span className="flex items-center gap-1.5">
          {ended ? (
            <CircleCheck aria-label="Ended" className="size-3.5 shrink-0 text-good" />
          ) : (
            <MessageSquare aria-label="Open" className="size-3.5 shrink-0 text-muted" />
          )}
          <span className={cn("truncate text-sm", current && "font-medium")} dir="auto">
            {title}
          </span>
        </span>
        {line && (
          <span className="block truncate text-muted text-xs" dir="auto">
            {line}
          </span>
        )}
      </Link>
      <div className="absolute end-1 top-1 opacity-0 focus-within:opacity-100 group-hover:opacity-100 has-data-[state=open]:opacity-100 pointer-coarse:opacity-100">
        <Menu
          button={
            <Button variant="quiet" size="icon-sm" className="size-7!" aria-label={`More for ${title}`}>
              <Ellipsis />
            </Button>
          }
        >
          <MenuItem onSelect={() => onRename(session)}>
            <Pencil /> Rename
          </MenuItem>
          {!ended && (
            <MenuItem onSelect={() => void actions.end(session.id)}>
              <Archive /> End session
            </MenuItem>
          )}
          <MenuLine />
          <MenuItem danger onSelect={() => actions.remove(session)}>
            <Trash2 /> Delete
          </MenuItem>
        </Menu>
      </div>
    </li>
  );
});

export function Rename({ session, onDone }: { session: Pick<Session, "id" | "title">; onDone: () => void }) {
  const { rename } = useSessionActions();
  const [title, setTitle] = useState(session.title ?? "");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onDone();
    void rename(session.id, title.trim());
  };
  return (
    <Dialog open onOpenChange={(open) => !open && onDone()} title="Rename session">
      <form onSubmit={submit} className="grid gap-4">
        <Field label="Title">
          {(props) => <Input {...props} required maxLength={200} value={title} onChange={(event) => setTitle(event.target.value)} dir="auto" />}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onDone}>Cancel</Button>
          <Button variant="solid" type="submit" disabled={!title.trim()}>
            Rename
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
