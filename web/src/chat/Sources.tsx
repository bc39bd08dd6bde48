import { ExternalLink, FileText, History } from "lucide-react";
import type { MouseEvent, ReactNode } from "react";
import { useHouse } from "@/api/house";
import { useListedTitle } from "@/api/queries";
import type { Source } from "@/api/stream";
import { SafeLink, safeAddress } from "./SafeLink";

const look =
  "inline-flex max-w-64 items-center gap-1 rounded-full border border-line bg-surface px-2 py-0.5 text-xs text-ink [&_svg]:size-3 [&_svg]:shrink-0 [&_svg]:text-muted";

/** Where something stands: a page elsewhere, a past session, a document. */
export function SourceChip({ source }: { source: Source }) {
  const listed = useListedTitle(source.session_id);
  const title = listed || source.title || (source.session_id ? "Past session" : "Source");
  const words = (
    <span className="truncate" dir="auto">
      {title}
    </span>
  );
  const said = [title, listed && source.title, source.quote && `“${source.quote}”`, source.licence].filter(Boolean).join("\n");
  if (safeAddress(source.url))
    return (
      <SafeLink href={source.url} className={`${look} hover:bg-sunken`} title={said}>
        <ExternalLink aria-hidden /> {words}
      </SafeLink>
    );
  if (source.session_id)
    return (
      <SessionLink session={source.session_id} className={`${look} hover:bg-sunken`} title={said}>
        <History aria-hidden /> {words}
      </SessionLink>
    );
  return (
    <span className={look} title={said}>
      <FileText aria-hidden /> {words}
    </span>
  );
}

/** A link to a session, or to one of its messages; only its words where sessions have no address. */
export function SessionLink({
  session,
  seq,
  children,
  ...rest
}: {
  session: string;
  seq?: number;
  children: ReactNode;
  className?: string;
  title?: string;
}) {
  const { link, visit } = useHouse();
  const address = link(session, seq);
  if (!address) return <span {...rest}>{children}</span>;
  const go = (event: MouseEvent) => {
    if (!visit || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    visit(address);
  };
  return (
    <a href={address} onClick={go} {...rest}>
      {children}
    </a>
  );
}
