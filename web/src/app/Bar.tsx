import { type ReactNode, useLayoutEffect, useState } from "react";
import { createPortal } from "react-dom";

/** Puts something of a view into the bar above it: `<Bar>title</Bar>`, `<Bar actions>buttons</Bar>`. */
export function Bar({ actions, children }: { actions?: boolean; children: ReactNode }) {
  const [place, setPlace] = useState<HTMLElement | null>(null);
  useLayoutEffect(() => setPlace(document.getElementById(actions ? "bar-actions" : "bar")), [actions]);
  return place && createPortal(children, place);
}
