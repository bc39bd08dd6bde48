import { useQueryClient } from "@tanstack/react-query";
import { FileUp } from "lucide-react";
import { useRef, useState } from "react";
import type { Schema } from "@/api/client";
import { useApi } from "@/api/house";
import { Problem } from "@/api/problem";
import { names } from "@/api/queries";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Failure, Spinner } from "@/components/ui/states";
import { announce } from "@/lib/live";

type BroughtIn = Schema<"BroughtIn">;

/** Conversations of a JSON export, from here or from another house, brought in. */
export function Import() {
  const api = useApi();
  const queries = useQueryClient();
  const field = useRef<HTMLInputElement>(null);
  const [state, setState] = useState<{ running?: boolean; done?: BroughtIn; error?: unknown }>({});

  const take = async (file: File) => {
    setState({ running: true });
    try {
      const answer = await api.raw(null, "/api/v1/me/import", {
        method: "POST",
        body: file,
        headers: { "content-type": "application/json" },
      });
      const done = (await answer.json()) as BroughtIn;
      announce(said(done));
      setState({ done });
    } catch (error) {
      setState({ error: Problem.caught(error) });
    }
    void queries.invalidateQueries({ queryKey: names.sessions });
  };
  return (
    <section aria-labelledby="import" className="grid grid-cols-1 gap-4">
      <h2 id="import" className="font-semibold text-lg">
        Import
      </h2>
      <Card className="grid grid-cols-1 justify-items-start gap-3">
        <p className="text-muted">A JSON export, from here or from another Rekindle. Conversations that are here already stay as they are.</p>
        <input
          ref={field}
          type="file"
          accept="application/json,.json"
          className="sr-only"
          aria-label="A JSON export"
          tabIndex={-1}
          onChange={(event) => {
            const file = event.target.files?.[0];
            if (file) void take(file);
            event.target.value = "";
          }}
        />
        <Button onClick={() => field.current?.click()} disabled={state.running ?? false}>
          {state.running ? <Spinner /> : <FileUp />} Choose a file
        </Button>
        {state.done && <p data-imported>{said(state.done)}</p>}
        {state.error !== undefined && <Failure className="w-full" error={state.error} />}
      </Card>
    </section>
  );
}

function said({ sessions, known }: BroughtIn): string {
  const came = `${sessions} ${sessions === 1 ? "conversation" : "conversations"} came in`;
  return known ? `${came}; ${known} ${known === 1 ? "was" : "were"} here already.` : `${came}.`;
}
