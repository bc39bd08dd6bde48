import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { Button } from "@/components/ui/button";
import { announce } from "@/lib/live";

/** Puts a text on the clipboard. */
export function CopyButton({ name, text, className }: { name: string; text: () => string; className?: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 2000);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => {
    const copied = await toClipboard(text());
    setDone(copied);
    announce(copied ? "Copied" : "The browser does not allow copying here");
  };
  return (
    <Button variant="quiet" size="icon-sm" aria-label={name} title={name} className={className} onClick={() => void copy()}>
      {done ? <Check /> : <Copy />}
    </Button>
  );
}

async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Frames and plain http have no clipboard: the old way.
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    area.style.opacity = "0";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
