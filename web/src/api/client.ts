import createClient, { type Client } from "openapi-fetch";
import type { Keyring } from "./keyring";
import { Problem } from "./problem";
import type { components, paths } from "./schema";

type Schemas = components["schemas"];

export type Session = Schemas["SessionOut"];
/** As a list has it; `summary_line` is there once the session has a summary. */
export type ListedSession = Session & { summary_line?: string | null };
export type Message = Schemas["MessageOut"];
export type Turn = Schemas["TurnOut"];
export type Me = Schemas["Me"];
export type Schema<Name extends keyof Schemas> = Schemas[Name];

/** The house's API. `http` is typed by its own description; `of(session)` uses the token that opens that session. */
export class Api {
  readonly base: string;
  readonly keys: Keyring;
  readonly #clients = new Map<string, Client<paths>>();

  constructor(keys: Keyring, base = "") {
    this.keys = keys;
    this.base = base;
  }

  /** With the account's token, or the newest visit's. */
  get http(): Client<paths> {
    return this.of(null);
  }

  /** With the token that opens this session. */
  of(session: string | null): Client<paths> {
    return this.as(this.keys.token(session));
  }

  /** With this token, or none. */
  as(token: string | null): Client<paths> {
    const name = token ?? "";
    let client = this.#clients.get(name);
    if (!client) {
      client = createClient<paths>({
        baseUrl: this.base,
        headers: token ? { authorization: `Bearer ${token}` } : {},
        // The global one of the moment of the call, not of now; its failures become problems.
        fetch: (request) =>
          globalThis.fetch(request).catch((error: unknown) => {
            throw request.signal.aborted ? error : Problem.caught(error);
          }),
      });
      this.#clients.set(name, client);
    }
    return client;
  }

  /** A request whose answer is a stream or a file: `openapi-fetch` has no use for those. Throws `Problem`. */
  async raw(session: string | null, path: string, init: RequestInit = {}): Promise<Response> {
    const token = this.keys.token(session);
    const headers = new Headers(init.headers);
    if (token) headers.set("authorization", `Bearer ${token}`);
    const response = await globalThis.fetch(this.base + path, { ...init, headers }).catch((error: unknown) => {
      throw init.signal?.aborted ? error : Problem.caught(error);
    });
    if (!response.ok) throw await Problem.of(response);
    return response;
  }
}

/** What an answer holds; throws `Problem` when it is none. `const session = await held(api.http.GET(…))` */
export async function held<T>(asking: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await asking;
  if (!response.ok) throw Problem.from(response.status, error);
  return data as T;
}
