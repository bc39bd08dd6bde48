import type { Api, Message } from "@/api/client";
import { held } from "@/api/client";
import type { Changes } from "@/api/changes";
import type { Drafts } from "@/api/house";
import { pause } from "@/api/pause";
import { Problem } from "@/api/problem";
import { events, type Source } from "@/api/stream";
import { announce, readOut } from "@/lib/live";
import { recalledSessions } from "./recalled";

/** What the assistant is doing, and where what it found by that stands. */
export interface Status {
  text: string;
  sources: Source[];
}

/** An answer that is being written. */
export interface Live {
  turn: string;
  text: string;
  statuses: Status[];
  stopping: boolean;
}

/** A message on its way. Its key makes sending it twice the same as sending it once. */
export interface Outgoing {
  key: string;
  text: string;
  replaces: string | null;
  /** Why it could not be sent; null while it is being sent. */
  problem: Problem | null;
  /** Its answer is to be stopped as soon as there is one. */
  stopping?: boolean;
}

export interface ChatState {
  phase: "loading" | "ready" | "failed";
  /** Why nothing could be loaded. */
  problem: Problem | null;
  /** By their numbers, without a gap. */
  messages: readonly Message[];
  /** Whether there are earlier ones that have not been loaded. */
  older: boolean;
  live: Live | null;
  outgoing: Outgoing | null;
  /** The connection broke; it is being tried again. */
  lost: boolean;
}

const EMPTY: ChatState = {
  phase: "loading",
  problem: null,
  messages: [],
  older: false,
  live: null,
  outgoing: null,
  lost: false,
};

const PAGE = 50;
const NEWEST = 10;
const POLL_MS = 3_000;
const POLLS_WHILE_TOLD = 10;
const PAINT_MS = 40;
const MOST_WAIT_MS = 8_000;
const CHANNEL = "rekindle";

/**
 * One session's conversation as this tab knows it: what was said, the answer that is being written, the message on its
 * way. It follows a running answer from wherever it was begun, and looks whether something happened elsewhere: when there is
 * word of it, and now and then where there is none.
 */
export class Chat {
  readonly session: string;
  readonly #api: Api;
  readonly #drafts: Drafts;
  readonly #changes: Changes;
  readonly #onChange: (session: string) => void;
  readonly #listeners = new Set<() => void>();
  readonly #known = new Map<number, Message>();
  #state = EMPTY;
  #closed = new AbortController();
  #following: string | null = null;
  #painting: ReturnType<typeof setTimeout> | null = null;
  #poll: ReturnType<typeof setInterval> | null = null;
  #unheard = () => undefined as unknown;
  #channel: BroadcastChannel | null = null;

  constructor(api: Api, session: string, drafts: Drafts, changes: Changes, onChange: (session: string) => void = () => undefined) {
    this.#api = api;
    this.session = session;
    this.#drafts = drafts;
    this.#changes = changes;
    this.#onChange = onChange;
  }

  get = (): ChatState => this.#state;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Load what there is and follow what goes on, until `close`. */
  open(): void {
    this.#closed = new AbortController();
    this.#resend();
    void this.load();
    let polls = 0;
    this.#poll = setInterval(() => {
      const told = this.#changes.live && this.#state.phase !== "failed";
      if (!told || ++polls % POLLS_WHILE_TOLD === 0) this.#look();
    }, POLL_MS);
    this.#unheard = this.#changes.subscribe(this.#look);
    document.addEventListener("visibilitychange", this.#look);
    addEventListener("online", this.#look);
    if ("BroadcastChannel" in globalThis) {
      this.#channel = new BroadcastChannel(CHANNEL);
      this.#channel.onmessage = (event) => {
        if (event.data === this.session) void this.#refresh().catch(() => undefined);
      };
    }
  }

  close(): void {
    this.#closed.abort();
    this.#following = null;
    if (this.#poll) clearInterval(this.#poll);
    this.#unheard();
    if (this.#painting) clearTimeout(this.#painting);
    this.#painting = null;
    document.removeEventListener("visibilitychange", this.#look);
    removeEventListener("online", this.#look);
    this.#channel?.close();
  }

  async load(): Promise<void> {
    this.#set({ phase: "loading", problem: null });
    try {
      await this.#refresh(PAGE);
      this.#set({ phase: "ready" });
    } catch (error) {
      if (!this.#closed.signal.aborted) this.#set({ phase: "failed", problem: Problem.caught(error) });
    }
  }

  /** Load the messages before those that are known; throws `Problem`. */
  async loadOlder(limit = PAGE): Promise<void> {
    const first = this.#state.messages[0];
    if (!first || !this.#state.older) return;
    this.#merge(await this.#page(limit, first.seq));
  }

  /** Load back to this message; throws `Problem`. */
  async loadTo(seq: number): Promise<void> {
    while (this.#state.older && (this.#state.messages[0]?.seq ?? 0) > seq) await this.loadOlder(100);
  }

  /** Say something. With `replaces`, the id of the newest question, that one is asked anew. */
  send(text: string, replaces: string | null = null): void {
    if (this.#state.live || (this.#state.outgoing && !this.#state.outgoing.problem)) return;
    void this.#send({ key: newKey(), text, replaces, problem: null });
  }

  /** Send again what could not be sent: the same message, once. */
  resend(): void {
    if (this.#state.outgoing?.problem) void this.#send({ ...this.#state.outgoing, problem: null });
  }

  /** Give up what could not be sent, to be put back where it was written. */
  takeBack(): Outgoing | null {
    const { outgoing } = this.#state;
    this.#keep(null);
    this.#set({ outgoing: null });
    return outgoing;
  }

  /** Stop the answer that is being written, or that is about to be; what it has said is kept. */
  async stop(): Promise<void> {
    const { live, outgoing } = this.#state;
    if (!live && outgoing && !outgoing.problem) this.#set({ outgoing: { ...outgoing, stopping: true } });
    if (!live || live.stopping) return;
    this.#set({ live: { ...live, stopping: true } });
    try {
      await held(this.#api.of(this.session).POST("/api/v1/turns/{turn_id}/cancel", { params: { path: { turn_id: live.turn } } }));
    } catch (error) {
      if (this.#state.live) this.#set({ live: { ...this.#state.live, stopping: false } });
      throw error;
    }
  }

  /** Have an answer written again that did not complete; throws `Problem`. */
  async retry(turn: string): Promise<void> {
    const path = `/api/v1/turns/${turn}/retry`;
    const response = await this.#api.raw(this.session, path, {
      method: "POST",
      headers: { accept: "text/event-stream" },
      signal: this.#closed.signal,
    });
    void this.#follow(turn, response.body);
    this.#happened();
  }

  async #send(outgoing: Outgoing): Promise<void> {
    this.#keep(outgoing);
    this.#set({ outgoing });
    try {
      const response = await this.#api.raw(this.session, `/api/v1/sessions/${this.session}/turns`, {
        method: "POST",
        headers: { accept: "text/event-stream", "content-type": "application/json", "idempotency-key": outgoing.key },
        body: JSON.stringify({ message: outgoing.text, ...(outgoing.replaces ? { replaces: outgoing.replaces } : {}) }),
        signal: this.#closed.signal,
      });
      // It is on disk: from here on the server has it, whatever becomes of this tab.
      this.#keep(null);
      const turn = response.headers.get("x-turn-id");
      if (turn) void this.#follow(turn, response.body);
      if (this.#state.outgoing?.stopping) void this.stop().catch(() => undefined);
      await this.#refresh().catch(() => undefined);
      this.#set({ outgoing: null });
      this.#happened();
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      const problem = Problem.caught(error);
      this.#set({ outgoing: { ...outgoing, problem } });
      announce(`Not sent. ${problem.message}`);
      // Somebody else's answer may be running here, or it came through after all.
      await this.#refresh().catch(() => undefined);
    }
  }

  /** What was on its way when the page was left is sent once more: by its key it is said once only. */
  #resend(): void {
    const kept = this.#drafts.get(`${this.session}.out`);
    if (!kept || this.#state.outgoing) return;
    try {
      const { key, text, replaces } = JSON.parse(kept) as Outgoing;
      if (typeof key === "string" && typeof text === "string") void this.#send({ key, text, replaces: replaces ?? null, problem: null });
    } catch {
      this.#keep(null);
    }
  }

  #keep(outgoing: Outgoing | null): void {
    const kept = outgoing && JSON.stringify({ key: outgoing.key, text: outgoing.text, replaces: outgoing.replaces });
    this.#drafts.set(`${this.session}.out`, kept);
  }

  /** Follow a turn to its end, over as many connections as it takes. */
  async #follow(turn: string, begun: ReadableStream<Uint8Array> | null = null): Promise<void> {
    if (this.#following === turn) {
      void begun?.cancel().catch(() => undefined);
      return;
    }
    this.#following = turn;
    const { signal } = this.#closed;
    this.#set({ live: { turn, text: "", statuses: [], stopping: false } });
    let body = begun;
    let last: string | null = null;
    let wait = 250;
    let ended = false;
    while (!ended && !signal.aborted) {
      try {
        if (!body) {
          const headers: Record<string, string> = last ? { "last-event-id": last } : {};
          body = (await this.#api.raw(this.session, `/api/v1/turns/${turn}/events`, { headers, signal })).body;
        }
        if (!body) break;
        for await (const { id, event } of events(body)) {
          const live = this.#state.live;
          if (!live || live.turn !== turn) return;
          if (this.#state.lost) this.#set({ lost: false });
          wait = 250;
          if (event.type === "resume") break;
          if (event.type === "end") ended = true;
          else if (event.type === "text") this.#later({ ...live, text: live.text + event.delta });
          else if (event.type === "restart") this.#later({ ...live, text: "", statuses: [] });
          else if (event.type === "status") {
            this.#later({ ...live, statuses: [...live.statuses, { text: event.text, sources: [] }] });
            announce(event.text);
          } else if (event.type === "source") this.#later({ ...live, statuses: withSource(live.statuses, event.source) });
          else if (event.type === "recalled") this.#later({ ...live, statuses: recalledSessions(event.sources, this.session).reduce(withSource, live.statuses) });
          if (id) last = id;
        }
      } catch (error) {
        if (signal.aborted) return;
        const problem = Problem.caught(error);
        if (!problem.passing) break;
        this.#set({ lost: true });
      }
      body = null;
      if (!ended) {
        await pause(wait, signal);
        wait = Math.min(wait * 2, MOST_WAIT_MS);
      }
    }
    if (signal.aborted) return;
    await this.#settle(turn);
  }

  /** The answer is over: what the server keeps of it takes the place of what was streamed. */
  async #settle(turn: string): Promise<void> {
    const { signal } = this.#closed;
    for (let wait = 250; !signal.aborted; wait = Math.min(wait * 2, MOST_WAIT_MS)) {
      try {
        this.#following = null;
        const rows = await this.#newest(NEWEST);
        // What was on its way has arrived, since its answer has.
        const { outgoing } = this.#state;
        this.#merge(rows, { live: null, lost: false, outgoing: outgoing?.problem ? outgoing : null });
        const reply = rows.find((message) => message.id === turn);
        if (reply) readOut(reply.content || (reply.error?.message ?? ""));
        this.#happened();
        return;
      } catch (error) {
        const problem = Problem.caught(error);
        if (!problem.passing) {
          this.#set({ live: null, lost: false, phase: "failed", problem });
          return;
        }
        this.#set({ lost: true });
        await pause(wait, signal);
      }
    }
  }

  #look = (): void => {
    const { phase, problem } = this.#state;
    if (document.visibilityState === "hidden" || phase === "loading" || this.#following) return;
    // What could not be loaded for want of a connection is there as soon as the connection is.
    if (phase === "failed" && !problem?.passing) return;
    void this.#refresh(phase === "failed" ? PAGE : NEWEST).then(
      () => {
        if (this.#state.lost || phase === "failed") this.#set({ lost: false, phase: "ready", problem: null });
        if (phase === "failed") this.#onChange(this.session);
      },
      () => phase === "ready" && this.#set({ lost: true }),
    );
  };

  /** Take in what is new, and tell of it. */
  async #refresh(limit = NEWEST): Promise<void> {
    const before = this.#state.messages.at(-1)?.seq ?? 0;
    const rows = await this.#newest(limit);
    this.#merge(rows);
    if (before > 0 && (rows.at(-1)?.seq ?? 0) > before) this.#onChange(this.session);
  }

  /** The newest messages, and all between them and those that are known. */
  async #newest(limit: number): Promise<Message[]> {
    const before = this.#state.messages.at(-1)?.seq ?? 0;
    let rows = await this.#page(limit);
    const gap = () => (rows.length > 0 && before > 0 ? rows[0]!.seq - before - 1 : 0);
    while (gap() > 0) rows = [...(await this.#page(PAGE, rows[0]!.seq)), ...rows];
    return rows;
  }

  async #page(limit: number, before?: number): Promise<Message[]> {
    const query = { order: "desc" as const, limit, ...(before ? { cursor: before } : {}) };
    const params = { path: { session_id: this.session }, query };
    const { items } = await held(
      this.#api.of(this.session).GET("/api/v1/sessions/{session_id}/messages", { params, signal: this.#closed.signal }),
    );
    return items.reverse();
  }

  #merge(rows: Message[], also: Partial<ChatState> = {}): void {
    let changed = false;
    for (const row of rows) {
      const known = this.#known.get(row.seq);
      if (known && same(known, row)) continue;
      this.#known.set(row.seq, row);
      changed = true;
    }
    const messages = changed ? [...this.#known.values()].sort((a, b) => a.seq - b.seq) : this.#state.messages;
    this.#set({ ...also, ...(changed ? { messages } : {}), older: (messages[0]?.seq ?? 1) > 1 });
    const running = messages.at(-1);
    if (running?.role === "assistant" && running.status === "running" && !("live" in also)) void this.#follow(running.id);
  }

  /** Tell this browser's other tabs, and whoever shows lists. */
  #happened(): void {
    this.#channel?.postMessage(this.session);
    this.#onChange(this.session);
  }

  #set(next: Partial<ChatState>): void {
    this.#state = { ...this.#state, ...next };
    for (const listener of this.#listeners) listener();
  }

  /** As `#set`, and shown a few times a second at most: tokens come faster than anybody reads. */
  #later(live: Live): void {
    this.#state = { ...this.#state, live };
    this.#painting ??= setTimeout(() => {
      this.#painting = null;
      this.#set({});
    }, PAINT_MS);
  }
}

function withSource(statuses: Status[], source: Source): Status[] {
  const last = statuses.at(-1) ?? { text: "Sources", sources: [] };
  if (statuses.some((status) => status.sources.some((known) => known.id === source.id))) return statuses;
  return [...statuses.slice(0, -1), { ...last, sources: [...last.sources, source] }];
}

function same(a: Message, b: Message): boolean {
  return a.status === b.status && a.content === b.content && JSON.stringify(a.metadata) === JSON.stringify(b.metadata);
}

/** A key nobody else has; `randomUUID` is there on secure origins only. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
