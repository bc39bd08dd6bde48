/** Query parameters of the list of sessions, as the address of the review has them and as numbers bring them. */
export const FILTERS = [
  "q",
  "from",
  "to",
  "started",
  "user_id",
  "assistant",
  "model",
  "state",
  "errors",
  "error",
  "returning",
  "slower_than_ms",
  "reviewed",
  "tag",
  "topic",
] as const;

export type Filter = Partial<Record<(typeof FILTERS)[number], string>>;

/** The filter that an address holds: known names with a text. */
export function filterOf(search: Record<string, unknown>): Filter {
  const found: Filter = {};
  for (const name of FILTERS) {
    const value = search[name];
    if (typeof value === "string" && value) found[name] = value;
    else if (typeof value === "number" || typeof value === "boolean") found[name] = String(value);
  }
  return found;
}

/** Where the sessions of a filter are looked through. */
export function reviewAddress(filter: Record<string, string>): string {
  const query = new URLSearchParams(filter).toString();
  return query ? `/admin/review?${query}` : "/admin/review";
}

/** "1,234", or "10,000+" where counting stopped. */
export function totalOf({ total, more }: { total: number; more?: boolean }): string {
  return `${total.toLocaleString("en")}${more ? "+" : ""}`;
}
