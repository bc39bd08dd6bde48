import { useEffect, useMemo, useSyncExternalStore } from "react";
import { useHouse } from "@/api/house";
import { Chat, type ChatState } from "./engine";

/** The conversation of a session, open as long as the component is there. */
export function useChat(session: string, onChange?: (session: string) => void): [Chat, ChatState] {
  const { api, drafts, changes } = useHouse();
  const chat = useMemo(() => new Chat(api, session, drafts, changes, onChange), [api, session, drafts, changes, onChange]);
  useEffect(() => {
    chat.open();
    return () => chat.close();
  }, [chat]);
  return [chat, useSyncExternalStore(chat.subscribe, chat.get)];
}
