import { ArrowUp, Square, X } from "lucide-react";
import { type KeyboardEvent, type Ref, useEffect, useImperativeHandle, useRef, useState } from "react";
import { useHouse } from "@/api/house";
import { Button } from "@/components/ui/button";
import { announce } from "@/lib/live";

export interface ComposerHandle {
  put: (text: string) => void;
  focus: () => void;
}

const SAVE_MS = 250;
const growsByItself = typeof CSS !== "undefined" && CSS.supports("field-sizing", "content");

/** Where a message is written. What is not sent yet survives a reload. */
export function Composer({
  draft,
  running,
  editing,
  onSend,
  onStop,
  onUp,
  onCancelEdit,
  autoFocus,
  ref,
}: {
  /** The name of the draft that is written here. */
  draft: string;
  running: boolean;
  /** Whether the last question is being asked anew. */
  editing: boolean;
  onSend: (text: string) => boolean;
  onStop: () => void;
  /** ↑ was pressed in the empty field. */
  onUp: () => void;
  onCancelEdit: () => void;
  autoFocus?: boolean;
  ref?: Ref<ComposerHandle>;
}) {
  const { drafts } = useHouse();
  const field = useRef<HTMLTextAreaElement>(null);
  const saving = useRef<ReturnType<typeof setTimeout> | null>(null);
  const [empty, setEmpty] = useState(() => !drafts.get(draft)?.trim());

  // The field keeps its own text: with every key only what depends on it being empty is shown anew.
  const changed = () => {
    const text = field.current?.value ?? "";
    setEmpty(text.trim() === "");
    grow(field.current);
    if (saving.current) clearTimeout(saving.current);
    saving.current = setTimeout(save, SAVE_MS);
  };
  const save = (from = field.current) => {
    if (saving.current) clearTimeout(saving.current);
    saving.current = null;
    drafts.set(draft, from?.value || null);
  };
  const put = (text: string) => {
    if (!field.current) return;
    field.current.value = text;
    changed();
    field.current.focus();
    field.current.setSelectionRange(text.length, text.length);
  };
  useImperativeHandle(ref, () => ({ put, focus: () => field.current?.focus() }));

  useEffect(() => {
    const own = field.current; // gone from the ref by the time this is cleaned up for good
    grow(own);
    const leave = () => saving.current && save(own);
    addEventListener("pagehide", leave);
    return () => {
      removeEventListener("pagehide", leave);
      leave();
    };
  });

  // Whoever comes back to what they wrote goes on at its end.
  useEffect(() => {
    const own = field.current;
    if (own && own === document.activeElement) own.setSelectionRange(own.value.length, own.value.length);
  }, []);

  const send = () => {
    const text = field.current?.value ?? "";
    if (text.trim() === "") return;
    if (running) {
      announce("Wait for the answer, or stop it first.");
      return;
    }
    if (onSend(text) && field.current) {
      field.current.value = "";
      changed();
      save();
    }
  };

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // While an input method composes, Enter chooses a word; Safari tells only by the key code.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey && !event.altKey && !onATouchScreen()) {
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && field.current?.value === "" && !event.shiftKey) {
      event.preventDefault();
      onUp();
    } else if (event.key === "Escape" && editing) {
      event.preventDefault();
      onCancelEdit();
    }
  };

  return (
    <div className="rounded-2xl border border-line-strong/50 bg-surface shadow-card focus-within:border-accent">
      {editing && (
        <div className="flex items-center justify-between rounded-t-2xl bg-accent-soft py-1 ps-4 pe-2 text-accent-ink text-sm">
          Asking the last question anew
          <Button variant="quiet" size="icon-sm" aria-label="Cancel editing" onClick={onCancelEdit}>
            <X />
          </Button>
        </div>
      )}
      <div className="flex items-end gap-2 p-2">
        <textarea
          ref={field}
          data-composer
          aria-label="Message"
          placeholder="Write a message"
          dir="auto"
          rows={1}
          // biome-ignore lint: a chat is for writing
          autoFocus={autoFocus}
          defaultValue={drafts.get(draft) ?? ""}
          onChange={changed}
          onKeyDown={onKeyDown}
          className="field-sizing-content max-h-[40vh] min-h-9 w-full resize-none self-center bg-transparent px-2 py-1.5 outline-none placeholder:text-muted"
        />
        {running ? (
          <Button variant="solid" size="icon" aria-label="Stop" title="Stop (Esc)" onClick={onStop}>
            <Square className="fill-current" />
          </Button>
        ) : (
          <Button variant="solid" size="icon" aria-label="Send" title="Send (Enter)" disabled={empty} onClick={send}>
            <ArrowUp />
          </Button>
        )}
      </div>
    </div>
  );
}

function grow(field: HTMLTextAreaElement | null): void {
  if (!field || growsByItself) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

/** On a screen keyboard Enter makes a new line: there is no Shift worth the name. */
function onATouchScreen(): boolean {
  return matchMedia("(pointer: coarse) and (hover: none)").matches;
}
