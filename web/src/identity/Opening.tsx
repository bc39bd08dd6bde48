import { useQuery } from "@tanstack/react-query";
import { ArrowRight, Sparkles } from "lucide-react";
import { held, type ListedSession } from "@/api/client";
import { useApi, useKeys } from "@/api/house";
import { useAssistants, useMe, useSession } from "@/api/queries";
import { Suggestions } from "@/chat/Suggestions";
import { Button } from "@/components/ui/button";
import { ProveButton } from "./ProveAddress";

/**
 * What stands before the first message of a session. A returning visitor is welcomed; what they talked about last is
 * shown only to who has proven to be them.
 */
export function Opening({ session, onContinue, onAsk }: { session: string; onContinue: (session: string) => void; onAsk: (question: string) => void }) {
  const keys = useKeys();
  const me = useMe();
  const last = useLastTime(session);
  const visit = keys.visits.find((known) => known.session === session);
  const name = me.data?.name || keys.visitor?.name || "";
  const claims = visit && visit.returning && me.data?.level !== "verified";

  if (last)
    return (
      <Meeting session={session} onAsk={onAsk}>
        <Card title={greeting(name)}>
          <p className="line-clamp-3">
            <span className="text-muted">Last time: </span>
            <span dir="auto">{last.title ?? "an untitled session"}</span>
            {last.summary_line && (
              <span className="text-muted" dir="auto">
                {" "}
                {last.summary_line}
              </span>
            )}
          </p>
          <Button size="sm" onClick={() => onContinue(last.id)}>
            Continue? <ArrowRight className="rtl:-scale-x-100" />
          </Button>
        </Card>
      </Meeting>
    );
  if (claims)
    return (
      <Meeting session={session} onAsk={onAsk}>
        <Card title={greeting(name)}>
          <p className="text-muted">This address has been here before. Prove that it is yours to see your earlier sessions.</p>
          <ProveButton />
        </Card>
      </Meeting>
    );
  return (
    <Meeting session={session} onAsk={onAsk}>
      <div className="grid justify-items-center gap-2 pt-10 text-center">
        <Sparkles aria-hidden className="size-7 text-accent-ink" />
        <h2 className="font-semibold text-xl">{name ? `Hello, ${name}` : "Hello"}</h2>
        <p className="max-w-md text-muted">Ask anything. What you say here is kept, and the next session can pick it up.</p>
      </div>
    </Meeting>
  );
}

/** The welcome, then who answers in this session and what it may be asked; a click puts the question into the composer. */
function Meeting({ session, onAsk, children }: { session: string; onAsk: (question: string) => void; children: React.ReactNode }) {
  const { data } = useSession(session);
  const assistants = useAssistants();
  const who = assistants.data?.find((assistant) => assistant.name === data?.assistant);
  if (!who?.greeting && !who?.suggestions.length) return children;
  return (
    <div className="grid gap-5">
      {children}
      <section aria-label={who.title} className="grid gap-3">
        {who.greeting && (
          <p dir="auto">
            <span className="font-medium">{who.title}: </span>
            {who.greeting}
          </p>
        )}
        <Suggestions questions={who.suggestions} onAsk={onAsk} />
      </section>
    </div>
  );
}

function greeting(name: string): string {
  return name ? `Welcome back, ${name}.` : "Welcome back.";
}

function Card({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <section aria-label="Welcome" className="grid justify-items-start gap-3 rounded-2xl border border-line bg-surface p-5" data-welcome>
      <h2 className="font-semibold text-lg" dir="auto">
        {title}
      </h2>
      {children}
    </section>
  );
}

/** The session before this one; null for who has not proven who they are, as a claim shows no history. */
export function useLastTime(except: string | null): ListedSession | null {
  const api = useApi();
  const { account } = useKeys();
  const { data } = useQuery({
    queryKey: ["last time", account, except],
    enabled: account !== null,
    staleTime: 60_000,
    queryFn: async () => {
      const { items } = await held(api.as(account).GET("/api/v1/sessions", { params: { query: { limit: 5 } } }));
      return items.find((session) => session.id !== except && session.message_count > 0) ?? null;
    },
  });
  return data ?? null;
}
