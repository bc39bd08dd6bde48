import { Link } from "@tanstack/react-router";
import { ArrowRight, Brain, Plus, Search, Sprout } from "lucide-react";
import { useEffect } from "react";
import { useKeys } from "@/api/house";
import { useAssistants, useMe, useSessions } from "@/api/queries";
import { useSessionActions } from "@/app/actions";
import { Button } from "@/components/ui/button";
import { View } from "@/components/ui/card";
import { ago } from "@/lib/dates";

const WAYS = [
  { to: "/search", Icon: Search, name: "Search", words: "Everything you said and were told, by words and by meaning." },
  { to: "/memory", Icon: Brain, name: "What I remember", words: "See it, correct it, have it forgotten, or pause it." },
  { to: "/growth", Icon: Sprout, name: "Growth", words: "Themes that come back, milestones, breakthroughs." },
] as const;

/** Where one arrives: the way back into the last session, or into a new one. */
export function HomeView() {
  const keys = useKeys();
  const me = useMe();
  const { begin } = useSessionActions();
  const sessions = useSessions();
  const last = sessions.data?.pages[0]?.items.find((session) => session.message_count > 0);
  const assistants = useAssistants();
  const several = (assistants.data?.length ?? 0) > 1;
  const name = me.data?.name || keys.visitor?.name || "";

  useEffect(() => {
    document.title = "Rekindle";
  }, []);

  return (
    <View className="grid gap-8 sm:py-16">
      <div className="grid gap-2">
        <h1 className="font-semibold text-3xl tracking-tight" dir="auto">
          {last ? "Welcome back" : "Welcome"}
          {name && `, ${name}`}.
        </h1>
        <p className="text-muted">Your conversations pick up where they left off.</p>
      </div>
      {last && (
        <section aria-label="Last time" className="grid gap-3 rounded-2xl border border-line bg-surface p-5 shadow-card" data-welcome>
          <div>
            <p className="text-muted text-sm">Last time, {ago(last.last_seen_at)}:</p>
            <p className="font-semibold text-lg" dir="auto">
              {last.title ?? "An untitled session"}
            </p>
            {last.summary_line && (
              <p className="line-clamp-3 text-muted" dir="auto">
                {last.summary_line}
              </p>
            )}
          </div>
          <div className="flex flex-wrap gap-2">
            <Button asChild variant="solid">
              <Link to="/s/$sessionId" params={{ sessionId: last.id }}>
                Continue <ArrowRight className="rtl:-scale-x-100" />
              </Link>
            </Button>
            <Button onClick={() => void begin()}>
              <Plus /> Something new
            </Button>
          </div>
        </section>
      )}
      {!last && !sessions.isPending && (
        <Button variant="solid" size="lg" className="justify-self-start" onClick={() => void begin()}>
          <Plus /> Start the first session
        </Button>
      )}
      {several && (
        <section aria-labelledby="who" className="grid gap-3">
          <h2 id="who" className="font-semibold text-lg">
            Who would you like to talk to?
          </h2>
          <ul className="grid gap-3 sm:grid-cols-2">
            {assistants.data?.map((assistant) => (
              <li key={assistant.name}>
                <button
                  type="button"
                  className="grid h-full w-full content-start gap-1.5 rounded-2xl border border-line bg-surface p-4 text-start hover:bg-sunken"
                  onClick={() => void begin(assistant.name)}
                >
                  <span className="font-medium" dir="auto">
                    {assistant.title}
                  </span>
                  <span className="text-muted text-sm" dir="auto">
                    {assistant.description}
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
      <ul className="grid gap-3 sm:grid-cols-3">
        {WAYS.map(({ to, Icon, name, words }) => (
          <li key={to}>
            <Link to={to} className="grid h-full content-start gap-1.5 rounded-2xl border border-line bg-surface p-4 hover:bg-sunken">
              <Icon aria-hidden className="size-5 text-accent-ink" />
              <span className="font-medium">{name}</span>
              <span className="text-muted text-sm">{words}</span>
            </Link>
          </li>
        ))}
      </ul>
    </View>
  );
}
