import { cloneElement, type ReactElement } from "react";

/** A few words beside what they are about, by the browser's own means. They repeat its name and add its key, no more. */
export function Tooltip({ text, keys, children }: { text: string; keys?: string; children: ReactElement<{ title?: string }> }) {
  return cloneElement(children, { title: keys ? `${text} (${keys})` : text });
}
