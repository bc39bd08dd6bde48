import { Trash2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import { held } from "@/api/client";
import { useApi } from "@/api/house";
import { Problem } from "@/api/problem";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input } from "@/components/ui/field";
import { Failure, Spinner } from "@/components/ui/states";
import { useLogOut } from "@/identity/logout";

/** Everything about somebody, gone for good; they type their address first. */
export function EraseMe({ email, id }: { email: string | null; id: string }) {
  const api = useApi();
  const logOut = useLogOut();
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState("");
  const [state, setState] = useState<{ running?: boolean; error?: unknown }>({});
  const confirm = email ?? id;
  const same = typed.trim().toLowerCase() === confirm.toLowerCase();

  const erase = async (event: FormEvent) => {
    event.preventDefault();
    if (!same) return;
    setState({ running: true });
    try {
      await held(api.http.DELETE("/api/v1/me", { body: { confirm: typed.trim() } }));
    } catch (error) {
      setState({ error: Problem.caught(error) });
      return;
    }
    await logOut();
  };
  return (
    <section aria-labelledby="erase" className="grid grid-cols-1 gap-4">
      <h2 id="erase" className="font-semibold text-lg">
        Erase me
      </h2>
      <Card className="grid grid-cols-1 justify-items-start gap-3 border-danger/40!">
        <p className="text-muted">
          Every conversation, message, summary, count and token of yours, erased for good. Nobody can bring them back; export first what you want to keep.
        </p>
        <Button variant="danger" onClick={() => setOpen(true)}>
          <Trash2 /> Erase everything
        </Button>
      </Card>
      <Dialog
        open={open}
        onOpenChange={(next) => {
          setOpen(next);
          setTyped("");
          setState({});
        }}
        title="Erase everything?"
        description="This cannot be undone."
        role="alertdialog"
      >
        <form onSubmit={(event) => void erase(event)} className="grid gap-4">
          <Field label={`Type ${confirm} to confirm`}>
            {(props) => <Input {...props} value={typed} autoComplete="off" onChange={(event) => setTyped(event.target.value)} />}
          </Field>
          {state.error !== undefined && <Failure error={state.error} />}
          <div className="flex justify-end gap-2">
            <Button onClick={() => setOpen(false)}>Cancel</Button>
            <Button type="submit" variant="danger" disabled={!same || state.running}>
              {state.running && <Spinner />} Erase me
            </Button>
          </div>
        </form>
      </Dialog>
    </section>
  );
}
