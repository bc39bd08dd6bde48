import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Brain, EyeOff, MessageCircleQuestion, NotebookText, PauseCircle, PencilLine, PlayCircle, Sparkles, UserRound } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { held, type Schema } from "@/api/client";
import { useApi } from "@/api/house";
import { Problem } from "@/api/problem";
import { useMe } from "@/api/queries";
import { SessionLink } from "@/chat/Sources";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, View, ViewHead } from "@/components/ui/card";
import { Confirm } from "@/components/ui/dialog";
import { Field, Select, TextArea } from "@/components/ui/field";
import { More } from "@/components/ui/more";
import { Points } from "@/components/ui/points";
import { Empty, Failure, Loading } from "@/components/ui/states";
import { Tab, TabList, TabPanel, Tabs } from "@/components/ui/tabs";
import { toast } from "@/components/ui/toast";
import { ProveButton } from "@/identity/ProveAddress";
import { ago, exactly } from "@/lib/dates";
import { announce } from "@/lib/live";

type Thing = Schema<"ThingOut">;
type Kind = Thing["kind"];

const KINDS: { kind: Kind; name: string; Icon: typeof Brain }[] = [
  { kind: "preference", name: "Preferences", Icon: Sparkles },
  { kind: "fact", name: "About you", Icon: UserRound },
  { kind: "question", name: "Open questions", Icon: MessageCircleQuestion },
  { kind: "interest", name: "Interests", Icon: Brain },
];
const PAGE = 50;

/** What is remembered of somebody, with where it is from: theirs to correct, to have forgotten, to pause. */
export function MemoryView() {
  const me = useMe();
  useEffect(() => {
    document.title = "What I remember · Rekindle";
  }, []);
  if (me.data && me.data.level !== "verified")
    return (
      <View>
        <ViewHead title="What I remember" />
        <Empty icon={<Brain />} title="This is for you alone" actions={<ProveButton />}>
          Prove your address, and what is remembered of your conversations is shown here, for you to correct.
        </Empty>
      </View>
    );
  return (
    <View>
      <ViewHead title="What I remember">What your conversations left behind. Correct what is wrong, and have forgotten what should not be known.</ViewHead>
      <Pause />
      <Tabs defaultValue="things">
        <TabList aria-label="What is remembered">
          <Tab value="things">Known</Tab>
          <Tab value="summaries">Summaries</Tab>
        </TabList>
        <TabPanel value="things">
          <Things />
        </TabPanel>
        <TabPanel value="summaries">
          <Summaries />
        </TabPanel>
      </Tabs>
    </View>
  );
}

function Pause() {
  const api = useApi();
  const queries = useQueryClient();
  const settings = useQuery({ queryKey: ["memory", "settings"], queryFn: () => held(api.http.GET("/api/v1/me/memory/settings")) });
  const change = useMutation({
    mutationFn: (paused: boolean) => held(api.http.PUT("/api/v1/me/memory/settings", { body: { paused } })),
    onSuccess: (now) => {
      queries.setQueryData(["memory", "settings"], now);
      announce(now.paused ? "Memory is paused" : "Memory goes on");
    },
    onError: (error) => toast(Problem.caught(error).message),
  });
  if (!settings.data) return settings.isError ? <Failure className="mb-6" error={settings.error} onRetry={() => void settings.refetch()} /> : null;
  const { paused, paused_since } = settings.data;
  return (
    <Card className="mb-6 flex flex-wrap items-center justify-between gap-3 p-4!">
      <p className="min-w-52 flex-1">
        {paused ? (
          <>
            <Badge tone="warn">Paused</Badge> {paused_since && <span className="text-muted text-sm">since {ago(paused_since)}. </span>}
            <span className="text-muted text-sm">Nothing new is learned, and nothing known is used.</span>
          </>
        ) : (
          <>
            <Badge tone="good">On</Badge> <span className="text-muted text-sm">What you say is learned from when a session ends, and used in the next.</span>
          </>
        )}
      </p>
      <Button onClick={() => change.mutate(!paused)} disabled={change.isPending}>
        {paused ? <PlayCircle /> : <PauseCircle />} {paused ? "Go on remembering" : "Pause"}
      </Button>
    </Card>
  );
}

function Things() {
  const api = useApi();
  const [earlier, setEarlier] = useState(false);
  const things = useInfiniteQuery({
    queryKey: ["memory", "things"],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => held(api.http.GET("/api/v1/me/memory", { params: { query: { limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (last) => last.next ?? null,
  });
  if (things.isPending) return <Loading lines={5} />;
  if (things.isError) return <Failure error={things.error} onRetry={() => void things.refetch()} />;
  const all = things.data.pages.flatMap((page) => page.items);
  const shown = all.filter((thing) => earlier || inEffect(thing));
  if (all.length === 0)
    return (
      <Empty icon={<Brain />} title="Nothing is known of you yet">
        When a session ends, what you prefer, need and asked is kept here, each with where you said it.
      </Empty>
    );
  return (
    <>
      <label className="mb-4 flex w-fit items-center gap-2 text-muted text-sm">
        <input type="checkbox" className="size-4 accent-(--accent)" checked={earlier} onChange={(event) => setEarlier(event.target.checked)} />
        Also what does not hold any more
      </label>
      <div className="grid grid-cols-1 gap-8">
        {KINDS.map(({ kind, name, Icon }) => {
          const these = shown.filter((thing) => thing.kind === kind);
          if (these.length === 0) return null;
          return (
            <section key={kind} aria-label={name}>
              <h2 className="mb-2 flex items-center gap-2 font-semibold">
                <Icon aria-hidden className="size-4.5 text-accent-ink" /> {name}
              </h2>
              <ul className="grid grid-cols-1 gap-2">
                {these.map((thing) => (
                  <One key={thing.id} thing={thing} />
                ))}
              </ul>
            </section>
          );
        })}
      </div>
      <More list={things} />
    </>
  );
}

function inEffect(thing: Thing): boolean {
  return thing.state === "current" || thing.state === "corrected";
}

const PAST = { superseded: "No longer so", answered: "Answered", forgotten: "Forgotten" } as const;

function One({ thing }: { thing: Thing }) {
  const api = useApi();
  const queries = useQueryClient();
  const [correcting, setCorrecting] = useState<boolean | null>(null);
  const [asking, setAsking] = useState(false);
  const reread = () => queries.invalidateQueries({ queryKey: ["memory", "things"] });
  const path = { params: { path: { thing_id: thing.id } } };
  const forget = useMutation({
    mutationFn: () => held(api.http.DELETE("/api/v1/me/memory/{thing_id}", path)),
    onSuccess: () => {
      announce("Forgotten");
      return reread();
    },
    onError: (error) => toast(Problem.caught(error).message),
  });
  const correct = useMutation({
    mutationFn: (text: string) => held(api.http.PATCH("/api/v1/me/memory/{thing_id}", { ...path, body: { text } })),
    onSuccess: () => {
      setCorrecting(false);
      announce("Corrected");
      return reread();
    },
  });
  const save = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    correct.mutate(String(new FormData(event.currentTarget).get("text") ?? ""));
  };
  const past = !inEffect(thing);
  return (
    <li className="rounded-2xl border border-line bg-surface px-4 py-3" data-state={thing.state}>
      {correcting ? (
        <form onSubmit={save} className="grid gap-3">
          <Field label="How it really is">
            {(props) => <TextArea {...props} name="text" defaultValue={thing.text ?? ""} maxLength={500} required dir="auto" autoFocus />}
          </Field>
          {correct.isError && <Failure error={correct.error} />}
          <div className="flex gap-2">
            <Button type="submit" variant="solid" size="sm" disabled={correct.isPending}>
              Save
            </Button>
            <Button size="sm" variant="quiet" onClick={() => setCorrecting(false)}>
              Cancel
            </Button>
          </div>
        </form>
      ) : (
        <div className="flex flex-wrap items-start gap-x-3 gap-y-1">
          <div className="min-w-52 flex-1">
            <p dir="auto" className={past ? "text-muted [overflow-wrap:anywhere]" : "[overflow-wrap:anywhere]"}>
              {thing.text ?? "Nothing is left of it."}
            </p>
            <p className="mt-0.5 flex flex-wrap items-center gap-x-2 gap-y-1 text-muted text-xs">
              {thing.state === "corrected" && <Badge tone="accent">In your words</Badge>}
              {past && <Badge>{PAST[thing.state as keyof typeof PAST]}</Badge>}
              {thing.source ? (
                <SessionLink session={thing.source.session_id} {...(thing.source.first_seq ? { seq: thing.source.first_seq } : {})} className="text-accent-ink underline underline-offset-2">
                  Said {ago(thing.seen_at)}
                </SessionLink>
              ) : (
                <time dateTime={thing.updated_at} title={exactly(thing.updated_at)}>
                  {ago(thing.updated_at)}
                </time>
              )}
            </p>
          </div>
          {!past && (
            <div className="-me-2 flex">
              <Button variant="quiet" size="icon-sm" aria-label={`Correct: ${thing.text ?? ""}`} title="Correct" autoFocus={correcting === false} onClick={() => setCorrecting(true)}>
                <PencilLine />
              </Button>
              <Button variant="quiet" size="icon-sm" aria-label={`Forget: ${thing.text ?? ""}`} title="Forget" onClick={() => setAsking(true)}>
                <EyeOff />
              </Button>
            </div>
          )}
        </div>
      )}
      <Confirm
        open={asking}
        onOpenChange={setAsking}
        title="Forget this?"
        description="Its words are erased, and it is not learned again. The conversation it is from stays as it is."
        action="Forget"
        onConfirm={() => forget.mutate()}
      />
    </li>
  );
}

function Summaries() {
  const api = useApi();
  const [kind, setKind] = useState<"all" | "open">("all");
  const summaries = useInfiniteQuery({
    queryKey: ["memory", "summaries"],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => held(api.http.GET("/api/v1/me/summaries", { params: { query: { limit: 20, ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (last) => last.next ?? null,
  });
  if (summaries.isPending) return <Loading lines={4} />;
  if (summaries.isError) return <Failure error={summaries.error} onRetry={() => void summaries.refetch()} />;
  const all = summaries.data.pages.flatMap((page) => page.items);
  if (all.length === 0)
    return (
      <Empty icon={<NotebookText />} title="No session has been summed up yet">
        A session is when it ends, or after an hour without a word.
      </Empty>
    );
  const shown = all.filter((one) => kind === "all" || (one.open_questions?.length ?? 0) > 0);
  return (
    <>
      <Select aria-label="Which summaries" value={kind} onChange={(event) => setKind(event.target.value as "all" | "open")} className="mb-4 h-9! w-auto! text-sm">
        <option value="all">All summaries</option>
        <option value="open">With open questions</option>
      </Select>
      <ul className="grid grid-cols-1 gap-3">
        {shown.map(({ session, text, topics, open_questions, milestones, updated_at }) => (
          <li key={session.id} className="rounded-2xl border border-line bg-surface p-4">
            <div className="mb-1 flex flex-wrap items-baseline justify-between gap-x-3">
              <h2 className="min-w-0 font-medium">
                <SessionLink session={session.id} className="underline-offset-2 hover:underline">
                  <span dir="auto">{session.title ?? "New session"}</span>
                </SessionLink>
              </h2>
              <time dateTime={updated_at} title={exactly(updated_at)} className="text-muted text-xs">
                {ago(session.ended_at ?? updated_at)}
              </time>
            </div>
            <p dir="auto" className="leading-relaxed [overflow-wrap:anywhere]">
              {text}
            </p>
            <Points name="Open" points={open_questions} className="mt-2 text-sm" />
            <Points name="Reached" points={milestones} className="mt-2 text-sm" />
            {(topics?.length ?? 0) > 0 && (
              <p className="mt-2 flex flex-wrap gap-1.5">
                {topics?.map((topic) => (
                  <Badge key={topic} dir="auto">
                    {topic}
                  </Badge>
                ))}
              </p>
            )}
          </li>
        ))}
      </ul>
      {shown.length === 0 && <p className="text-muted">None of these has an open question.</p>}
      <More list={summaries} />
    </>
  );
}
