import type { ComponentProps } from "react";

const ALLOWED = /^(https?:\/\/|mailto:)/i;

/** The address if it may be followed, else null: http, https and mailto, nothing that runs, stays here or is no address. */
export function safeAddress(href: string | null | undefined): string | null {
  // Browsers leave these characters out of an address, so that "java\nscript:" would run.
  const plain = (href ?? "").replace(/[\u0000-\u0020\u007f]+/g, "");
  return ALLOWED.test(plain) && URL.canParse(plain) ? plain : null;
}

/** A link to the outside, in a tab of its own that learns nothing of this one. An address that may not be followed is text. */
export function SafeLink({ href, children, ...rest }: ComponentProps<"a">) {
  const address = safeAddress(href);
  if (!address) return <span>{children}</span>;
  return (
    <a {...rest} href={address} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}
