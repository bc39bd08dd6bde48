import { describe, expect, it } from "vitest";
import { inWeeks, periodName, periods, spread } from "./periods";

describe("periods", () => {
  it("are whole weeks from Monday and whole months, none left out", () => {
    expect(periods("2026-03-11T10:00:00Z", "2026-03-24T00:00:00Z", true)).toEqual(["2026-03-09", "2026-03-16", "2026-03-23"]);
    expect(periods("2025-11-30T10:00:00Z", "2026-02-01T00:00:00Z", false)).toEqual(["2025-11-01", "2025-12-01", "2026-01-01"]);
    expect(inWeeks("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z")).toBe(true);
    expect(inWeeks("2025-01-01T00:00:00Z", "2026-03-01T00:00:00Z")).toBe(false);
    expect(periodName("2026-03-09", true)).toBe("Week of Mar 9");
    expect(periodName("2026-03-01", false)).toBe("Mar 2026");
  });
  it("have nothing where nothing was counted", () => {
    expect(spread([{ start: "b", sessions: 1, messages: 2 }], ["a", "b"])).toEqual([
      { start: "a", sessions: 0, messages: 0 },
      { start: "b", sessions: 1, messages: 2 },
    ]);
  });
});
