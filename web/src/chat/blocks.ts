const FENCE = /^ {0,3}(`{3,}|~{3,})/;

/**
 * A Markdown text cut at blank lines into pieces that can be shown one by one; fenced code stays whole, and so do lists,
 * whose numbers would begin anew. Joined by blank lines the pieces are the text.
 */
export function blocks(text: string): string[] {
  const found: string[] = [];
  let lines: string[] = [];
  let fence: string | null = null;
  let blank = false;
  for (const line of text.split("\n")) {
    const mark = FENCE.exec(line)?.[1];
    if (blank && !fence && lines.length > 0 && !continues(line)) {
      found.push(lines.join("\n").trimEnd());
      lines = [];
    }
    if (mark && !fence) fence = mark;
    else if (mark && fence && mark[0] === fence[0] && mark.length >= fence.length && line.trim() === mark) fence = null;
    blank = line.trim() === "";
    if (lines.length > 0 || !blank) lines.push(line);
  }
  if (lines.length > 0) found.push(lines.join("\n"));
  return found;
}

/** Whether a line after a blank one may belong to what stands before it. */
function continues(line: string): boolean {
  return line.trim() === "" || /^(\s{2,}|\t|\s*([-*+]|\d{1,9}[.)])(\s|$))/.test(line);
}
