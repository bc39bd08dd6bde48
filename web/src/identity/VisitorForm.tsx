import { type FormEvent, useState } from "react";
import { checkIn } from "@/api/begin";
import { useApi } from "@/api/house";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { Failure, Spinner } from "@/components/ui/states";

/** Who a visitor is, as far as they want to say. Nothing is kept before it is sent. */
export function VisitorForm({
  assistant = null,
  onCheckedIn,
}: {
  assistant?: string | null;
  onCheckedIn: (session: string) => void;
}) {
  const api = useApi();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const said = (name: string) => String(given.get(name) ?? "").trim();
    setBusy(true);
    setProblem(null);
    try {
      onCheckedIn(await checkIn(api, { name: said("name"), email: said("email"), phone: said("phone") }, assistant));
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };

  return (
    <form onSubmit={submit} className="grid gap-4">
      <Field label="Name">{(props) => <Input {...props} name="name" autoComplete="name" maxLength={200} dir="auto" />}</Field>
      <Field label="E-mail" hint="Recognises you the next time.">
        {(props) => <Input {...props} name="email" type="email" autoComplete="email" maxLength={300} />}
      </Field>
      <Field label="Phone">{(props) => <Input {...props} name="phone" type="tel" autoComplete="tel" maxLength={200} />}</Field>
      {problem !== null && <Failure error={problem} />}
      <Button variant="solid" size="lg" type="submit" disabled={busy}>
        {busy && <Spinner />} Start chatting
      </Button>
    </form>
  );
}
