import { type Api, held, type ListedSession } from "./client";
import type { Keys } from "./keyring";

/** Begin a session: with an account a further one; for a visitor a further visit under the same name. */
export async function beginSession(api: Api, assistant: string | null = null): Promise<string> {
  const { account, visitor } = api.keys.get();
  if (account) return (await held(api.as(account).POST("/api/v1/sessions", { body: { assistant, metadata: {} } }))).id;
  return await checkIn(api, visitor ?? { name: "", email: "", phone: "" }, assistant);
}

/** Come in as a visitor, in a new session, whose id this gives. */
export async function checkIn(api: Api, visitor: NonNullable<Keys["visitor"]>, assistant: string | null = null): Promise<string> {
  const found = await held(
    api.as(null).POST("/api/v1/identity/check-in", {
      body: { name: visitor.name || null, email: visitor.email || null, phone: visitor.phone || null, assistant },
    }),
  );
  const visit = { session: found.session_id, token: found.token, returning: found.status === "returning_user" };
  api.keys.addVisit(visit, visitor);
  return found.session_id;
}

/** The session that one was in last and that goes on; a new one where there is none. */
export async function currentSession(api: Api, assistant: string | null = null): Promise<string> {
  const { account, visits } = api.keys.get();
  const tokens = account ? [account] : visits.map((visit) => visit.token);
  for (const token of tokens) {
    const query = { limit: 1, status: "active" as const, ...(assistant ? { assistant } : {}) };
    const { data } = await api.as(token).GET("/api/v1/sessions", { params: { query } });
    if (data?.items[0]) return data.items[0].id;
  }
  return await beginSession(api, assistant);
}

/** The session before this one in which something was said; null where there is none. */
export async function sessionBefore(api: Api, session: string, assistant: string | null = null): Promise<ListedSession | null> {
  const { account, visits } = api.keys.get();
  const tokens = account ? [account] : visits.filter((visit) => visit.session !== session).map((visit) => visit.token);
  for (const token of tokens) {
    const query = { limit: 5, ...(assistant ? { assistant } : {}) };
    const { data } = await api.as(token).GET("/api/v1/sessions", { params: { query } });
    const found = data?.items.find((other) => other.id !== session && other.message_count > 0);
    if (found) return found;
  }
  return null;
}
