import { describe, expect, it } from "vitest";
import { ago, byDate, dateGroup } from "./dates";

const NOW = new Date(2026, 6, 15, 12).getTime();
const hours = (count: number) => new Date(NOW - count * 3_600_000).toISOString();

describe("dates", () => {
  it("stand under the day they are of, not so many hours ago", () => {
    expect([1, 11, 13, 37, 24 * 6, 24 * 20].map((count) => dateGroup(hours(count), NOW))).toEqual([
      "Today",
      "Today",
      "Yesterday",
      "Previous 7 days",
      "Previous 7 days",
      "Previous 30 days",
    ]);
    expect(dateGroup(hours(24 * 100), NOW)).toBe("April 2026");
  });

  it("group what stands together", () => {
    const groups = byDate([hours(1), hours(2), hours(30)], (when) => when, NOW);
    expect(groups.map(({ name, items }) => [name, items.length])).toEqual([
      ["Today", 2],
      ["Yesterday", 1],
    ]);
  });

  it("are told as people tell them", () => {
    expect([0, 0.1, 3, 30].map((count) => ago(hours(count), NOW))).toEqual(["just now", "6 minutes ago", "3 hours ago", "yesterday"]);
  });
});
