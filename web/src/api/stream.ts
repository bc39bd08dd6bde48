/** A turn's events, as the server streams them: the AI SDK's UI message stream, version 1, with event ids. */
export interface Source {
  id: string;
  kind?: string;
  title?: string;
  url?: string;
  session_id?: string;
  message_id?: string;
  document_id?: string;
  date?: string;
  quote?: string;
  licence?: string;
}

/** A piece of the past that an answer was given. */
export interface Given {
  kind?: string;
  session_id?: string;
  date?: string;
}

export type StreamEvent =
  | { type: "begun"; turn: string }
  | { type: "text"; delta: string }
  | { type: "status"; text: string }
  | { type: "source"; source: Source }
  | { type: "recalled"; sources: Given[] }
  | { type: "restart" }
  | { type: "resume" }
  | { type: "end"; failed: string | null };

/** An event and the id to come back with; null where it has none. */
export interface Received {
  id: string | null;
  event: StreamEvent;
}

interface Frame {
  id: string | null;
  data: string;
}

/** The server says every 15 seconds that it is still there: after so long without a word the connection is dead. */
const SILENCE_MS = 45_000;

/** The server-sent events of a body. Lines may end in any way and characters may be cut anywhere. */
export async function* frames(body: ReadableStream<Uint8Array>): AsyncGenerator<Frame> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let id: string | null = null;
  let data: string[] = [];
  try {
    for (;;) {
      // A connection may die without a sign, as when a device changes its network.
      const silence = setTimeout(() => void reader.cancel().catch(() => undefined), SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(silence));
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      for (;;) {
        const found = /\r\n|\n|\r(?!$)/.exec(rest);
        if (!found) break;
        const line = rest.slice(0, found.index);
        rest = rest.slice(found.index + found[0].length);
        if (line === "") {
          if (data.length) yield { id, data: data.join("\n") };
          id = null;
          data = [];
        } else if (line.startsWith("data:")) {
          data.push(line.slice(line[5] === " " ? 6 : 5));
        } else if (line.startsWith("id:")) {
          id = line.slice(line[3] === " " ? 4 : 3);
        }
      }
      if (done) return;
    }
  } finally {
    // Whoever stops reading hangs up; the turn goes on at the server.
    await reader.cancel().catch(() => undefined);
  }
}

/** The events of a body; those that say nothing to this page are left out. */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<Received> {
  for await (const { id, data } of frames(body)) {
    if (data === "[DONE]") return;
    const event = read(data);
    if (event) yield { id, event };
  }
}

function read(data: string): StreamEvent | null {
  let part: Record<string, unknown>;
  try {
    part = JSON.parse(data) as Record<string, unknown>;
  } catch {
    return null;
  }
  const inner = (part.data ?? {}) as Record<string, unknown>;
  switch (part.type) {
    case "start":
      return { type: "begun", turn: String(part.messageId) };
    case "text-delta":
      return { type: "text", delta: String(part.delta) };
    case "data-status":
      return { type: "status", text: String(inner.text) };
    case "data-recall":
      return { type: "recalled", sources: Array.isArray(inner.sources) ? (inner.sources as Given[]) : [] };
    case "source-url":
      return { type: "source", source: { id: String(part.sourceId), title: text(part.title), url: text(part.url) } };
    case "source-document":
      return { type: "source", source: { id: String(part.sourceId), title: text(part.title) } };
    case "data-restart":
      return { type: "restart" };
    case "data-resume":
      return { type: "resume" };
    case "finish":
      return { type: "end", failed: null };
    case "abort":
      // After `data-resume` the reader has left already: this one is a stopped answer's.
      return { type: "end", failed: null };
    case "error":
      return { type: "end", failed: String(part.errorText) };
    default:
      return null;
  }
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
