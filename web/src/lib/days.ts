/** A day as `<input type="date">` has it, 2026-03-12, as a moment: its local beginning, or that of the day after. */
export function moment(day: string | undefined, after = false): string | undefined {
  if (!day || !/^\d{4}-\d{2}-\d{2}$/.test(day)) return undefined;
  const [year, month, date] = day.split("-").map(Number) as [number, number, number];
  const begin = new Date(year, month - 1, date + (after ? 1 : 0));
  return Number.isNaN(begin.getTime()) || year < 1 ? undefined : begin.toISOString();
}

/** A day, 2026-03-12, in words: "12 Mar". Days of the server are in UTC. */
export function dayName(day: string, year = false): string {
  const when = new Date(`${day}T00:00:00Z`);
  return when.toLocaleDateString("en", { day: "numeric", month: "short", timeZone: "UTC", ...(year ? { year: "numeric" } : {}) });
}

/** Today in UTC, or so many days earlier, as 2026-03-12. */
export function utcDay(earlier = 0, now = Date.now()): string {
  return new Date(now - earlier * 86_400_000).toISOString().slice(0, 10);
}
