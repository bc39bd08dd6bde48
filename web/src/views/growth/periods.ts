export interface Count {
  start: string;
  sessions: number;
  messages: number;
}

const DAY = 86_400_000;
const WEEKS = 30;

/** Whether a span is better told in weeks than in months. */
export function inWeeks(since: string, until: string): boolean {
  return (Date.parse(until) - Date.parse(since)) / DAY / 7 <= WEEKS;
}

/** Every week (Monday) or month (its first) from `since` to `until`, also those in which nothing was said; in UTC. */
export function periods(since: string, until: string, weeks: boolean): string[] {
  const found: string[] = [];
  const end = Date.parse(until);
  const begin = new Date(Date.parse(since));
  const at = weeks
    ? new Date(Date.UTC(begin.getUTCFullYear(), begin.getUTCMonth(), begin.getUTCDate() - ((begin.getUTCDay() + 6) % 7)))
    : new Date(Date.UTC(begin.getUTCFullYear(), begin.getUTCMonth(), 1));
  while (at.getTime() < end && found.length < 1_000) {
    found.push(at.toISOString().slice(0, 10));
    if (weeks) at.setUTCDate(at.getUTCDate() + 7);
    else at.setUTCMonth(at.getUTCMonth() + 1);
  }
  return found;
}

/** "12 Mar" of a week, "March 2026" of a month. */
export function periodName(start: string, weeks: boolean): string {
  const when = new Date(`${start}T00:00:00Z`);
  return weeks
    ? `Week of ${when.toLocaleDateString("en", { day: "numeric", month: "short", timeZone: "UTC" })}`
    : when.toLocaleDateString("en", { month: "short", year: "numeric", timeZone: "UTC" });
}

/** What was counted in each of the periods. */
export function spread(counts: Count[], all: string[]): Count[] {
  const known = new Map(counts.map((count) => [count.start, count]));
  return all.map((start) => known.get(start) ?? { start, sessions: 0, messages: 0 });
}
