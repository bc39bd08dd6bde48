export interface Piece {
  text: string;
  marked: boolean;
}

/** A snippet in pieces by its highlights: ranges in characters as Python counts them, one for each code point. */
export function pieces(snippet: string, highlights: number[][]): Piece[] {
  const characters = Array.from(snippet);
  const found: Piece[] = [];
  let at = 0;
  const take = (to: number, marked: boolean) => {
    if (to > at) found.push({ text: characters.slice(at, to).join(""), marked });
    at = Math.max(at, to);
  };
  for (const [from = 0, to = 0] of [...highlights].sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0))) {
    take(from, false);
    take(Math.min(to, characters.length), true);
  }
  take(characters.length, false);
  return found;
}
