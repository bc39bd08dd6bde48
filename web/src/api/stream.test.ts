import { describe, expect, it, vi } from "vitest";
import { events, frames, type Received } from "./stream";

function body(text: string, size: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
      controller.close();
    },
  });
}

async function all<T>(found: AsyncGenerator<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of found) items.push(item);
  return items;
}

const TURN = "0199aaaa-0000-7000-8000-000000000001";
const STREAM = [
  { data: { type: "start", messageId: TURN } },
  { id: `${TURN}:1:0`, data: { type: "data-status", data: { text: "Searching…" }, transient: true } },
  { id: `${TURN}:1:0`, data: { type: "source-url", sourceId: "1", url: "https://a.example", title: "A" } },
  { data: { type: "text-start", id: TURN } },
  { id: `${TURN}:1:3`, data: { type: "text-delta", id: TURN, delta: "Grü" } },
  { id: `${TURN}:1:5`, data: { type: "text-delta", id: TURN, delta: "ße 👋" } },
  { id: `${TURN}:2:0`, data: { type: "data-restart", data: { attempt: 2 } } },
  { id: `${TURN}:2:2`, data: { type: "text-delta", id: TURN, delta: "ok" } },
  { id: `${TURN}:2:2`, data: { type: "error", errorText: "It broke." } },
];
const TEXT = `: still here\n\n${STREAM.map(({ id, data }) => `${id ? `id: ${id}\n` : ""}data: ${JSON.stringify(data)}\n\n`).join("")}data: [DONE]\n\n`;

describe("the stream of a turn", () => {
  it.each([1, 2, 3, 7, 10_000])("is the same however its bytes are cut: %i at a time", async (size) => {
    const found: Received[] = await all(events(body(TEXT, size)));
    expect(found.map(({ event }) => event)).toEqual([
      { type: "begun", turn: TURN },
      { type: "status", text: "Searching…" },
      { type: "source", source: { id: "1", title: "A", url: "https://a.example" } },
      { type: "text", delta: "Grü" },
      { type: "text", delta: "ße 👋" },
      { type: "restart" },
      { type: "text", delta: "ok" },
      { type: "end", failed: "It broke." },
    ]);
    expect(found.at(4)?.id).toBe(`${TURN}:1:5`);
    expect(found[0]?.id).toBeNull();
  });

  it("reads every kind of line end, and data of several lines", async () => {
    const found = await all(frames(body("id: 1\r\ndata: a\r\ndata: b\r\n\r\nid:2\rdata:c\r\rdata: d\n\n", 1)));
    expect(found).toEqual([
      { id: "1", data: "a\nb" },
      { id: "2", data: "c" },
      { id: null, data: "d" },
    ]);
  });

  it("drops what was cut off, so that it is asked for again", async () => {
    expect(await all(frames(body("id: 1\ndata: whole\n\nid: 2\ndata: cut", 5)))).toEqual([{ id: "1", data: "whole" }]);
  });

  it("is over for a reader who has heard nothing for so long that the connection must be dead", async () => {
    vi.useFakeTimers();
    const word = new TextEncoder().encode(": still here\n\n");
    let cancelled = false;
    const dead = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const seconds of [0, 15, 30]) setTimeout(() => controller.enqueue(word), seconds * 1000);
      },
      cancel() {
        cancelled = true;
      },
    });
    let over = false;
    void all(events(dead)).then(() => (over = true));
    await vi.advanceTimersByTimeAsync(74_000);
    expect(over).toBe(false);
    await vi.advanceTimersByTimeAsync(2_000);
    expect([over, cancelled]).toEqual([true, true]);
    vi.useRealTimers();
  });
});
