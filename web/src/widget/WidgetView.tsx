import { useQuery } from "@tanstack/react-query";
import { ArrowRight, Plus, X } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { beginSession, currentSession, sessionBefore } from "@/api/begin";
import { Changes } from "@/api/changes";
import { Api } from "@/api/client";
import { browserDrafts, type House, HouseProvider, useApi } from "@/api/house";
import { Keyring, memoryStore } from "@/api/keyring";
import { Problem } from "@/api/problem";
import { useAssistants } from "@/api/queries";
import { Logo } from "@/app/Logo";
import type { ChatHandle } from "@/chat/ChatView";
import { SessionChat } from "@/chat/SessionChat";
import { Suggestions } from "@/chat/Suggestions";
import { Button } from "@/components/ui/button";
import { Failure, Loading } from "@/components/ui/states";
import { forgetDrafts } from "@/identity/logout";
import { VisitorForm } from "@/identity/VisitorForm";
import { isEscape } from "@/lib/escape";
import { hush } from "@/lib/live";
import { meetSite, type Site, signIn } from "./site";

const DRAFTS = "rekindle.widget.draft.";

/** The chat alone, in a frame on somebody's site. */
export function WidgetView() {
  const [met, setMet] = useState<{ site: Site; assistant: string | null } | null>(null);
  useEffect(() => {
    let gone = false;
    void Promise.all([meetSite(), whoAnswers()]).then(([site, assistant]) => !gone && setMet({ site, assistant }));
    return () => {
      gone = true;
    };
  }, []);
  if (!met) return <Loading className="p-5" lines={3} />;
  return <Widget {...met} />;
}

function asked(name: string): string | null {
  return new URLSearchParams(location.search).get(name);
}

/** The assistant that the site named; else the server's first one. */
async function whoAnswers(): Promise<string | null> {
  const named = asked("assistant");
  if (named) return named;
  const { data } = await new Api(new Keyring(memoryStore())).http.GET("/api/v1/assistants").catch(() => ({ data: null }));
  return data?.items[0]?.name ?? null;
}

function Widget({ site, assistant }: { site: Site; assistant: string | null }) {
  const house = useMemo<House>(() => {
    const api = new Api(site.keys);
    return { api, link: () => null, drafts: browserDrafts(DRAFTS), changes: new Changes(api) };
  }, [site]);
  const { api } = house;
  const chat = useRef<ChatHandle>(null);
  const [asks, setAsks] = useState(false);
  const [session, setSession] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);

  const show = useCallback(
    (id: string) => {
      setProblem(null);
      setAsks(false);
      setSession(id);
      site.say({ rekindle: "event", name: "session", detail: { session: id } });
    },
    [site],
  );
  const go = useCallback(
    async (find: (api: Api, assistant: string | null) => Promise<string>) => {
      setProblem(null);
      try {
        show(await find(api, assistant));
      } catch (error) {
        setProblem(Problem.caught(error));
      }
    },
    [api, assistant, show],
  );
  const arrive = useCallback(() => {
    setSession(null);
    hush();
    // Who was here before, or whom the site vouches for, goes on; a stranger is asked.
    if (api.keys.tokens().length > 0) void go(currentSession);
    else setAsks(true);
  }, [api, go]);

  useEffect(() => {
    const stop = site.onMessage((message) => {
      if (message.rekindle === "user" && message.token) signIn(site.keys, message.token);
      if (message.rekindle === "reset" || (message.rekindle === "user" && !message.token)) {
        site.keys.clear();
        flushSync(() => setSession(null)); // what stands in the field is written down as it goes
        forgetDrafts(DRAFTS);
      }
      if (message.rekindle === "user" || message.rekindle === "reset") arrive();
      if (message.rekindle === "shown") chat.current?.focus();
    });
    site.say({ rekindle: "ready" });
    arrive();
    return stop;
  }, [site, arrive]);

  useEffect(() => {
    // On the window, which hears of a key last: what it stopped or closed in the chat is enough.
    const onKey = (event: KeyboardEvent) => isEscape(event) && site.say({ rekindle: "close" });
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [site]);

  const changed = useCallback(
    (which: string) => site.say({ rekindle: "event", name: "answer", detail: { session: which } }),
    [site],
  );

  return (
    <HouseProvider house={house}>
      <div className="flex h-full flex-col">
        <header className="flex h-13 shrink-0 items-center gap-2 border-b px-3">
          <Logo />
          <Title assistant={assistant} />
          {session && (
            <Button variant="quiet" size="icon-sm" aria-label="New session" title="New session" onClick={() => void go(beginSession)}>
              <Plus />
            </Button>
          )}
          {window.parent !== window && (
            <Button variant="quiet" size="icon-sm" aria-label="Close" title="Close" onClick={() => site.say({ rekindle: "close" })}>
              <X />
            </Button>
          )}
        </header>
        <main className="min-h-0 flex-1">
          {problem && (
            <div className="p-4">
              <Failure error={problem} onRetry={arrive} />
            </div>
          )}
          {asks && !problem && (
            <div className="h-full overflow-y-auto p-5">
              <div className="mx-auto max-w-md">
                <h2 className="mb-1 font-semibold text-lg">Hello</h2>
                <p className="mb-5 text-muted">Say who you are, as far as you like, or leave it all empty.</p>
                <VisitorForm assistant={assistant} onCheckedIn={show} />
              </div>
            </div>
          )}
          {!asks && !session && !problem && <Loading className="p-5" lines={3} />}
          {session && !problem && (
            <SessionChat
              key={session}
              ref={chat}
              session={session}
              onChange={changed}
              onBegin={() => void go(beginSession)}
              opening={<Greeting session={session} assistant={assistant} onContinue={show} onAsk={(question) => chat.current?.put(question)} />}
            />
          )}
        </main>
      </div>
    </HouseProvider>
  );
}

function useWho(assistant: string | null) {
  const { data } = useAssistants();
  return data?.find(({ name }) => name === assistant);
}

function Title({ assistant }: { assistant: string | null }) {
  const who = useWho(assistant);
  const own = who && who.title !== who.name ? who.title : null;
  return (
    <h1 className="flex-1 truncate font-semibold" dir="auto">
      {asked("title") || own || "Chat"}
    </h1>
  );
}

/** What stands before the first message: the assistant's greeting, and the way back to what was talked about last. */
function Greeting({
  session,
  assistant,
  onContinue,
  onAsk,
}: {
  session: string;
  assistant: string | null;
  onContinue: (session: string) => void;
  onAsk: (question: string) => void;
}) {
  const api = useApi();
  const who = useWho(assistant);
  const { data: last } = useQuery({ queryKey: ["before", session, assistant], queryFn: () => sessionBefore(api, session, assistant) });
  return (
    <div className="grid gap-4">
      <p className="pt-6 text-center text-muted" dir="auto">
        {who?.greeting ?? "How can I help?"}
      </p>
      {last && (
        <section aria-label="Last time" className="grid justify-items-start gap-2 rounded-2xl border border-line bg-surface p-4 text-sm">
          <p dir="auto" className="[overflow-wrap:anywhere]">
            <span className="text-muted">Last time: </span>
            {last.title ?? "an untitled session"}
          </p>
          <Button size="sm" onClick={() => onContinue(last.id)}>
            Continue? <ArrowRight className="rtl:-scale-x-100" />
          </Button>
        </section>
      )}
      <Suggestions questions={who?.suggestions ?? []} onAsk={onAsk} className="justify-center" />
    </div>
  );
}
