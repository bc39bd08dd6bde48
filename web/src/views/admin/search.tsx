import { useEffect, useRef, useState } from "react";
import { Field, Input } from "@/components/ui/field";

const TYPING_MS = 300;

/** A field that says what it holds when nobody has typed for a moment. */
export function SearchField({ label, value, onSearch }: { label: string; value: string; onSearch: (text: string) => void }) {
  const [text, setText] = useState(value);
  const latest = useRef(onSearch);
  latest.current = onSearch;
  useEffect(() => {
    const wait = setTimeout(() => text.trim() !== value && latest.current(text.trim()), TYPING_MS);
    return () => clearTimeout(wait);
  }, [text, value]);
  return (
    <Field label={label} className="min-w-56 flex-1">
      {(props) => <Input {...props} type="search" value={text} maxLength={200} onChange={(event) => setText(event.target.value)} />}
    </Field>
  );
}
