import { describe, expect, it } from "vitest";
import { nice } from "@/components/ui/chart";
import { pieces } from "@/views/search/highlight";
import { dayName, moment, utcDay } from "./days";

describe("days", () => {
  it("are moments of the place", () => {
    expect(moment("2026-03-12")).toBe(new Date(2026, 2, 12).toISOString());
    expect(moment("2026-03-31", true)).toBe(new Date(2026, 3, 1).toISOString());
    for (const none of [undefined, "", "x", "2026-3-1", "2026-03-12T00:00"]) expect(moment(none)).toBeUndefined();
  });
  it("have names, and are counted back in UTC", () => {
    expect(dayName("2026-03-12")).toBe("Mar 12");
    expect(utcDay(1, Date.UTC(2026, 0, 1, 5))).toBe("2025-12-31");
  });
});

describe("an axis", () => {
  it("ends with a round number", () => {
    expect([0, 1, 3, 7, 12, 200, 201].map(nice)).toEqual([1, 1, 5, 10, 20, 200, 500]);
  });
});

describe("highlights", () => {
  it("count characters as the server does, not halves of them", () => {
    expect(pieces("🙂 piano 🙂 scales", [[2, 7], [10, 16]])).toEqual([
      { text: "🙂 ", marked: false },
      { text: "piano", marked: true },
      { text: " 🙂 ", marked: false },
      { text: "scales", marked: true },
    ]);
    expect(pieces("abc", [])).toEqual([{ text: "abc", marked: false }]);
  });
});
