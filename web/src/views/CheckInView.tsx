import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import { held } from "@/api/client";
import { useApi } from "@/api/house";
import { names } from "@/api/queries";
import { Logo } from "@/app/Logo";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { Failure } from "@/components/ui/states";
import { ProveForm } from "@/identity/ProveAddress";
import { VisitorForm } from "@/identity/VisitorForm";

type Way = "visitor" | "code" | "token";

/** The first thing a visitor sees: who they are, as far as they want to say. Nothing is kept before it is sent. */
export function CheckInView() {
  const [way, setWay] = useState<Way>("visitor");
  const navigate = useNavigate();
  useEffect(() => {
    document.title = "Rekindle";
  }, []);
  return (
    <main className="grid min-h-full place-items-center overflow-y-auto px-4 py-10">
      <div className="w-full max-w-md">
        <div className="mb-6 grid justify-items-center gap-3 text-center">
          <Logo className="size-12" />
          <h1 className="font-semibold text-2xl tracking-tight">
            {way === "visitor" ? "Pick up where you left off" : "Welcome back"}
          </h1>
          <p className="text-muted">
            {way === "visitor" && "Say who you are, as far as you like. Leave it all empty to talk as a guest."}
            {way === "code" && "We send a code to your address; with it, all your sessions open."}
            {way === "token" && "Paste the token that your administrator gave you."}
          </p>
        </div>
        <section className="rounded-2xl border border-line bg-surface p-6 shadow-card">
          {way === "visitor" && <VisitorForm onCheckedIn={(session) => navigate({ to: "/s/$sessionId", params: { sessionId: session } })} />}
          {way === "code" && <ProveForm email="" visit={null} onProven={() => undefined} />}
          {way === "token" && <TokenForm />}
        </section>
        <div className="mt-4 flex flex-wrap justify-center gap-x-4 gap-y-1">
          {way !== "visitor" && (
            <Button variant="quiet" size="sm" onClick={() => setWay("visitor")}>
              Check in by name
            </Button>
          )}
          {way !== "code" && (
            <Button variant="quiet" size="sm" onClick={() => setWay("code")}>
              Sign in with a code
            </Button>
          )}
          {way !== "token" && (
            <Button variant="quiet" size="sm" onClick={() => setWay("token")}>
              Use a token
            </Button>
          )}
        </div>
      </div>
    </main>
  );
}

function TokenForm() {
  const api = useApi();
  const queries = useQueryClient();
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState<unknown>(null);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setProblem(null);
    try {
      const me = await held(api.as(token.trim()).GET("/api/v1/identity"));
      if (me.session_id) api.keys.addVisit({ session: me.session_id, token: token.trim() }, null);
      else api.keys.change({ account: token.trim() });
      void queries.invalidateQueries({ queryKey: names.me });
    } catch (error) {
      setProblem(error);
    }
  };

  return (
    <form onSubmit={submit} className="grid gap-4">
      <Field label="Token">
        {(props) => (
          <Input {...props} type="password" required autoComplete="off" value={token} onChange={(event) => setToken(event.target.value)} />
        )}
      </Field>
      {problem !== null && <Failure error={problem} />}
      <Button variant="solid" size="lg" type="submit">
        Sign in
      </Button>
    </form>
  );
}
