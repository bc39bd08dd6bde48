import type { Given, Source } from "@/api/stream";
import { day } from "@/lib/dates";

/** The other sessions that an answer was given something of, each once: not what is known of its user, nor what was said earlier here. */
export function recalledSessions(given: readonly Given[], here: string): Source[] {
  const sessions = new Map<string, Source>();
  for (const { kind, session_id: id, date } of given) {
    if ((kind !== "summary" && kind !== "message") || typeof id !== "string" || id === here) continue;
    sessions.set(id, { id, session_id: id, title: typeof date === "string" ? `Session of ${day(date)}` : "Past session" });
  }
  return [...sessions.values()];
}
