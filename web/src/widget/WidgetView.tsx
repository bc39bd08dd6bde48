import { Plus, X } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { beginSession, currentSession } from "@/api/begin";
import { Changes } from "@/api/changes";
import { Api } from "@/api/client";
import { browserDrafts, type House, HouseProvider } from "@/api/house";
import { Problem } from "@/api/problem";
import { Logo } from "@/app/Logo";
import { type ChatHandle, ChatView } from "@/chat/ChatView";
import { Button } from "@/components/ui/button";
import { Failure, Loading } from "@/components/ui/states";
import { VisitorForm } from "@/identity/VisitorForm";
import { hush } from "@/lib/live";
import { meetSite, type Site, signIn } from "./site";

/** The chat alone, in a frame on somebody's site. */
export function WidgetView() {
  const [site, setSite] = useState<Site | null>(null);
  useEffect(() => {
    let gone = false;
    void meetSite().then((found) => !gone && setSite(found));
    return () => {
      gone = true;
    };
  }, []);
  if (!site) return <Loading className="p-5" lines={3} />;
  return <Widget site={site} />;
}

function Widget({ site }: { site: Site }) {
  const assistant = useMemo(() => new URLSearchParams(location.search).get("assistant"), []);
  const house = useMemo<House>(() => {
    const api = new Api(site.keys);
    return { api, link: () => null, drafts: browserDrafts("rekindle.widget.draft."), changes: new Changes(api) };
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
      if (message.rekindle === "reset" || (message.rekindle === "user" && !message.token)) site.keys.clear();
      if (message.rekindle === "user" || message.rekindle === "reset") arrive();
      if (message.rekindle === "shown") chat.current?.focus();
    });
    site.say({ rekindle: "ready" });
    arrive();
    return stop;
  }, [site, arrive]);

  const changed = useCallback(
    (which: string) => site.say({ rekindle: "event", name: "answer", detail: { session: which } }),
    [site],
  );

  return (
    <HouseProvider house={house}>
      <div className="flex h-full flex-col">
        <header className="flex h-13 shrink-0 items-center gap-2 border-b px-3">
          <Logo />
          <h1 className="flex-1 truncate font-semibold" dir="auto">
            {assistant ?? "Chat"}
          </h1>
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
              <h2 className="mb-1 font-semibold text-lg">Hello</h2>
              <p className="mb-5 text-muted">Say who you are, as far as you like, or leave it all empty.</p>
              <VisitorForm assistant={assistant} onCheckedIn={show} />
            </div>
          )}
          {!asks && !session && !problem && <Loading className="p-5" lines={3} />}
          {session && !problem && (
            <ChatView key={session} ref={chat} session={session} onChange={changed} onReopen={() => go(beginSession)} opening={<Greeting />} />
          )}
        </main>
      </div>
    </HouseProvider>
  );
}

function Greeting() {
  return <p className="py-8 text-center text-muted">How can I help?</p>;
}
