const DAY = 86_400_000;

/** Local midnight of a time. */
function midnight(time: number): number {
  return new Date(time).setHours(0, 0, 0, 0);
}

/** The heading that a time stands under in a list: Today, Yesterday, Previous 7 days, Previous 30 days, a month. */
export function dateGroup(when: string, now = Date.now()): string {
  const days = Math.round((midnight(now) - midnight(Date.parse(when))) / DAY);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days <= 7) return "Previous 7 days";
  if (days <= 30) return "Previous 30 days";
  return new Date(when).toLocaleDateString("en", { month: "long", year: "numeric" });
}

/** Consecutive items under the same heading, together. */
export function byDate<T>(items: T[], when: (item: T) => string, now = Date.now()): { name: string; items: T[] }[] {
  const groups: { name: string; items: T[] }[] = [];
  for (const item of items) {
    const name = dateGroup(when(item), now);
    const last = groups.at(-1);
    if (last?.name === name) last.items.push(item);
    else groups.push({ name, items: [item] });
  }
  return groups;
}

/** "3 minutes ago", "yesterday", "12 Mar 2026". */
export function ago(when: string, now = Date.now()): string {
  const seconds = (now - Date.parse(when)) / 1000;
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  if (seconds < 45) return "just now";
  if (seconds < 3600) return words.format(-Math.max(1, Math.round(seconds / 60)), "minute");
  if (seconds < 86_400) return words.format(-Math.round(seconds / 3600), "hour");
  if (seconds < 7 * 86_400) return words.format(-Math.round(seconds / 86_400), "day");
  return day(when);
}

/** The whole of a date and time, for titles. */
export function exactly(when: string): string {
  return new Date(when).toLocaleString("en", { dateStyle: "full", timeStyle: "short" });
}

/** "12 Mar 2026". */
export function day(when: string): string {
  return new Date(when).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}

/** The time of day. */
export function clock(when: string): string {
  return new Date(when).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
