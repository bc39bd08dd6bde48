/** The chat as React components for a host's own app. `import { RekindleProvider, ChatInterface } from "rekindle-web"`. */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { beginSession, currentSession } from "@/api/begin";
import { Changes } from "@/api/changes";
import { Api } from "@/api/client";
import { browserDrafts, type House, HouseProvider, useApi } from "@/api/house";
import { Keyring, memoryStore } from "@/api/keyring";
import type { ChatHandle } from "@/chat/ChatView";
import { RecentInteractions as Recent } from "@/chat/RecentInteractions";
import { SessionChat } from "@/chat/SessionChat";
import { Failure, Loading } from "@/components/ui/states";
import { Toasts } from "@/components/ui/toast";
import { LiveRegions } from "@/lib/live";
import "./style.css";

export interface RekindleProviderProps {
  /** Where the server is: an origin, or empty when the host passes `/api/v1` on. */
  url?: string;
  /** A token that the server takes: the host's signed JWT, or one of the server's own. */
  token: string;
  /** The address of a session in the host's app, or of a message in it; without it, sessions are no links. */
  link?: (session: string, seq?: number) => string | null;
  children: ReactNode;
}

/** What the components below stand in: the server, and whose conversations these are. */
export function RekindleProvider({ url = "", token, link, children }: RekindleProviderProps) {
  const keys = useMemo(() => new Keyring(memoryStore()), []);
  // Before anything below asks: effects come too late for that.
  if (keys.get().account !== token) keys.lend({ account: token, visits: [], visitor: null });
  const queries = useMemo(() => new QueryClient(), []);
  const standing = useMemo(() => {
    const api = new Api(keys, url);
    return { api, drafts: browserDrafts("rekindle.draft."), changes: new Changes(api) };
  }, [keys, url]);
  // A link that is another function with each render changes nothing else.
  const house = useMemo<House>(() => ({ ...standing, link: link ?? (() => null) }), [standing, link]);
  return (
    <HouseProvider house={house}>
      <QueryClientProvider client={queries}>
        <div className="rekindle">
          {children}
          <Toasts />
          <LiveRegions />
        </div>
      </QueryClientProvider>
    </HouseProvider>
  );
}

export interface ChatInterfaceProps {
  /** The session to show; without one, the newest that goes on, or a new one. */
  session?: string;
  assistant?: string;
  /** Show the recent questions beside the chat. */
  recent?: boolean;
  /** Which session is shown. */
  onSession?: (session: string) => void;
}

/** A conversation, and beside it the recent questions. As high as what it stands in. */
export function ChatInterface({ session, assistant, recent = true, onSession }: ChatInterfaceProps) {
  const api = useApi();
  const [found, setFound] = useState<string | null>(session ?? null);
  const [problem, setProblem] = useState<unknown>(null);
  const chat = useRef<ChatHandle>(null);
  const go = useCallback(async (find: () => Promise<string> | string) => {
    setProblem(null);
    try {
      setFound(await find());
    } catch (error) {
      setProblem(error);
    }
  }, []);
  const load = useCallback(() => go(() => session ?? currentSession(api, assistant ?? null)), [api, assistant, go, session]);
  useEffect(() => void load(), [load]);
  useEffect(() => {
    if (found) onSession?.(found);
  }, [found, onSession]);
  const ask = (question: string, send: boolean) => (send ? chat.current?.send(question) : chat.current?.put(question));

  if (problem) return <Failure error={problem} onRetry={() => void load()} />;
  if (!found) return <Loading />;
  return (
    <div className="flex h-full min-h-0">
      <div className="min-w-0 flex-1">
        <SessionChat key={found} ref={chat} session={found} onBegin={() => void go(() => beginSession(api, assistant ?? null))} />
      </div>
      {recent && (
        <aside aria-label="About this session" className="hidden w-72 shrink-0 flex-col border-s bg-sunken md:flex">
          <Recent session={found} onAsk={ask} />
        </aside>
      )}
    </div>
  );
}

export interface RecentInteractionsProps {
  /** The session whose information stands above. */
  session?: string;
  limit?: number;
  /** A question was clicked; `send`: with Ctrl or Cmd held. */
  onAsk: (question: string, send: boolean) => void;
}

/** The newest questions and answers, to ask them again. */
export function RecentInteractions({ session, limit = 10, onAsk }: RecentInteractionsProps) {
  return <Recent session={session ?? null} limit={limit} onAsk={onAsk} />;
}
