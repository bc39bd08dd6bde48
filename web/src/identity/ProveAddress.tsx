import { useQueryClient } from "@tanstack/react-query";
import { MailCheck } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { held } from "@/api/client";
import { useApi, useKeys } from "@/api/house";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input } from "@/components/ui/field";
import { Failure, Spinner } from "@/components/ui/states";
import { announce } from "@/lib/live";

/** Two steps to prove an address: where the code goes, and the code. `visit`: the session that goes over to the account. */
export function ProveForm({ email, visit, onProven }: { email: string; visit: string | null; onProven: () => void }) {
  const api = useApi();
  const queries = useQueryClient();
  const [address, setAddress] = useState(email);
  const [sent, setSent] = useState(false);
  const [code, setCode] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const form = useId();

  const work = async (step: () => Promise<void>) => {
    setBusy(true);
    setProblem(null);
    try {
      await step();
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  const send = () =>
    work(async () => {
      await held(api.as(null).POST("/api/v1/identity/code", { body: { email: address } }));
      setSent(true);
      announce("A code is on its way.");
    });
  const enter = () =>
    work(async () => {
      const token = visit ? api.keys.token(visit) : null;
      const proven = await held(api.as(token).POST("/api/v1/identity/verify", { body: { email: address, code } }));
      const { visits, visitor } = api.keys.get();
      // The session that went over is opened by the account from now on.
      const others = visits.filter((known) => !(proven.adopted && known.session === visit));
      api.keys.change({ account: proven.token, visits: others, visitor: visitor && { ...visitor, email: address } });
      await queries.invalidateQueries();
      announce("Your address is proven.");
      onProven();
    });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void (sent ? enter() : send());
  };

  return (
    <form id={form} onSubmit={submit} className="grid gap-4">
      {sent ? (
        <Field key="code" label="Code" hint={`Six digits, sent to ${address}. It is good for ten minutes.`}>
          {(props) => (
            <Input
              {...props}
              autoFocus
              required
              autoComplete="one-time-code"
              inputMode="numeric"
              pattern="[0-9]{6}"
              maxLength={6}
              className="font-mono text-lg tracking-[0.4em]"
              value={code}
              onChange={(event) => setCode(event.target.value.replace(/\D/g, ""))}
            />
          )}
        </Field>
      ) : (
        <Field key="address" label="E-mail address">
          {(props) => (
            <Input {...props} type="email" required autoComplete="email" value={address} onChange={(event) => setAddress(event.target.value)} />
          )}
        </Field>
      )}
      {problem !== null && <Failure error={problem} />}
      <div className="flex flex-wrap items-center gap-2">
        <Button variant="solid" type="submit" disabled={busy}>
          {busy && <Spinner />}
          {sent ? "Enter the code" : "Send me a code"}
        </Button>
        {sent && (
          <Button variant="quiet" disabled={busy} onClick={() => void send()}>
            Send another
          </Button>
        )}
        {sent && (
          <Button variant="quiet" disabled={busy} onClick={() => setSent(false)}>
            Another address
          </Button>
        )}
      </div>
    </form>
  );
}

export function ProveAddress({ open, onOpenChange, email }: { open: boolean; onOpenChange: (open: boolean) => void; email: string }) {
  const api = useApi();
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="Prove your address"
      description="A code by mail shows that the address is yours. Your earlier sessions open with it."
    >
      <ProveForm email={email} visit={currentVisit(api.keys.get().visits)} onProven={() => onOpenChange(false)} />
    </Dialog>
  );
}

/** Where something is shown to who has proven who they are: the way there. */
export function ProveButton() {
  const { visitor } = useKeys();
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button size="sm" onClick={() => setOpen(true)}>
        <MailCheck /> Enter a code
      </Button>
      <ProveAddress open={open} onOpenChange={setOpen} email={visitor?.email ?? ""} />
    </>
  );
}

/** The visit to be brought home: the one that is looked at, or else the newest. */
function currentVisit(visits: { session: string }[]): string | null {
  const shown = /^\/s\/([^/]+)/.exec(location.pathname)?.[1];
  return visits.find((visit) => visit.session === shown)?.session ?? visits[0]?.session ?? null;
}
