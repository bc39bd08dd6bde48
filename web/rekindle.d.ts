import type { ReactElement, ReactNode } from "react";

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
export function RekindleProvider(props: RekindleProviderProps): ReactElement;

export interface ChatInterfaceProps {
  /** The session to show; without one, the newest that goes on, or a new one. */
  session?: string;
  assistant?: string;
  /** Show the recent questions beside the chat: true unless told. */
  recent?: boolean;
  /** Which session is shown. */
  onSession?: (session: string) => void;
}

/** A conversation, and beside it the recent questions. As high as what it stands in. */
export function ChatInterface(props: ChatInterfaceProps): ReactElement;

export interface RecentInteractionsProps {
  /** The session whose information stands above. */
  session?: string;
  /** How many: 10 unless told. */
  limit?: number;
  /** A question was clicked; `send`: with Ctrl or Cmd held. */
  onAsk: (question: string, send: boolean) => void;
}

/** The newest questions and answers, to ask them again. */
export function RecentInteractions(props: RecentInteractionsProps): ReactElement;
