import { Download } from "lucide-react";
import { useState } from "react";
import { useApi } from "@/api/house";
import { Problem } from "@/api/problem";
import { useSessions } from "@/api/queries";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Failure, Spinner } from "@/components/ui/states";
import { ago } from "@/lib/dates";
import { announce } from "@/lib/live";

const FORMATS = [
  { name: "json", says: "JSON", hint: "Everything; can be brought back in", suffix: "json" },
  { name: "markdown", says: "Markdown", hint: "To read and to keep", suffix: "md" },
  { name: "csv", says: "CSV", hint: "For a spreadsheet", suffix: "csv" },
  { name: "pdf", says: "PDF", hint: "To print", suffix: "pdf" },
] as const;
const MOST = 100;

/** One's conversations as a file: all of them, or those that are chosen. */
export function Export({ whole }: { whole: boolean }) {
  const api = useApi();
  const sessions = useSessions();
  const [format, setFormat] = useState<(typeof FORMATS)[number]>(FORMATS[0]);
  const [some, setSome] = useState(false);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [state, setState] = useState<{ running: boolean; error?: unknown }>({ running: false });
  const listed = sessions.data?.pages.flatMap((page) => page.items) ?? [];
  const choosing = some || !whole;

  const save = async () => {
    setState({ running: true });
    try {
      const query = new URLSearchParams({ format: format.name });
      if (choosing) for (const id of chosen) query.append("session", id);
      const only = choosing && chosen.size === 1 ? ([...chosen][0] ?? null) : null;
      const answer = await api.raw(only, `/api/v1/me/export?${query}`);
      const address = URL.createObjectURL(await answer.blob());
      const link = document.createElement("a");
      link.href = address;
      link.download = `rekindle.${format.suffix}`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
      announce("The file is saved");
      setState({ running: false });
    } catch (error) {
      setState({ running: false, error: Problem.caught(error) });
    }
  };
  const toggle = (id: string) => setChosen((now) => new Set(now.has(id) ? [...now].filter((other) => other !== id) : [...now, id].slice(0, MOST)));
  return (
    <section aria-labelledby="export" className="grid grid-cols-1 gap-4">
      <h2 id="export" className="font-semibold text-lg">
        Export
      </h2>
      <Card className="grid grid-cols-1 gap-5">
        <fieldset>
          <legend className="mb-2 font-medium text-sm">As</legend>
          <div className="grid grid-cols-2 gap-2 sm:grid-cols-4">
            {FORMATS.map((one) => (
              <label key={one.name} className="flex cursor-pointer items-start gap-2 rounded-xl border border-line px-3 py-2 has-checked:border-accent has-focus-visible:outline-2 has-focus-visible:outline-accent has-checked:bg-accent-soft">
                <input type="radio" name="format" className="mt-1.5 accent-accent" checked={format === one} onChange={() => setFormat(one)} />
                <span>
                  <span className="block font-medium">{one.says}</span>
                  <span className="block text-muted text-xs">{one.hint}</span>
                </span>
              </label>
            ))}
          </div>
        </fieldset>
        {whole && (
          <fieldset className="flex flex-wrap gap-x-5 gap-y-1">
            <legend className="mb-1 font-medium text-sm">Which conversations</legend>
            <label className="flex items-center gap-2">
              <input type="radio" name="which" className="accent-(--accent)" checked={!some} onChange={() => setSome(false)} /> All
            </label>
            <label className="flex items-center gap-2">
              <input type="radio" name="which" className="accent-(--accent)" checked={some} onChange={() => setSome(true)} /> Some
            </label>
          </fieldset>
        )}
        {choosing && (
          <fieldset>
            <legend className="mb-1 font-medium text-sm">
              {chosen.size} of {listed.length}
              {sessions.hasNextPage && "+"} chosen
            </legend>
            <ul className="max-h-64 overflow-y-auto rounded-xl border border-line" tabIndex={-1}>
              {listed.map((session) => (
                <li key={session.id} className="border-line border-b last:border-b-0">
                  <label className="flex cursor-pointer items-center gap-3 px-3 py-2 hover:bg-ink/5">
                    <input type="checkbox" className="size-4 shrink-0 accent-(--accent)" checked={chosen.has(session.id)} onChange={() => toggle(session.id)} />
                    <span className="min-w-0 flex-1 truncate" dir="auto">
                      {session.title ?? "New session"}
                    </span>
                    <span className="shrink-0 text-muted text-xs">{ago(session.last_seen_at)}</span>
                  </label>
                </li>
              ))}
              {listed.length === 0 && <li className="px-3 py-2 text-muted">There is none yet.</li>}
            </ul>
            {sessions.hasNextPage && (
              <Button size="sm" variant="quiet" className="mt-1" onClick={() => void sessions.fetchNextPage()}>
                Show earlier ones
              </Button>
            )}
          </fieldset>
        )}
        {state.error !== undefined && <Failure error={state.error} onRetry={() => void save()} />}
        <div>
          <Button variant="solid" onClick={() => void save()} disabled={state.running || (choosing && chosen.size === 0)}>
            {state.running ? <Spinner /> : <Download />} {choosing ? `Export ${chosen.size || ""}` : "Export all"} as {format.says}
          </Button>
        </div>
      </Card>
    </section>
  );
}
