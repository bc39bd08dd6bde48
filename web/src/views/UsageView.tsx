import { useQuery } from "@tanstack/react-query";
import { MessagesSquare } from "lucide-react";
import { useEffect, useState } from "react";
import { held, type Schema } from "@/api/client";
import { useApi } from "@/api/house";
import { useMe } from "@/api/queries";
import { Card, View, ViewHead } from "@/components/ui/card";
import { Bars, brief, Head } from "@/components/ui/chart";
import { Select } from "@/components/ui/field";
import { Empty, Failure, Loading } from "@/components/ui/states";
import { clock } from "@/lib/dates";
import { dayName, utcDay } from "@/lib/days";
import { EraseMe } from "./usage/EraseMe";
import { Export } from "./usage/Export";
import { Import } from "./usage/Import";

type Report = Schema<"MyUsage">;

/** What was used, and what can be done with what was said: taken along, brought in, erased. */
export function UsageView() {
  const me = useMe();
  const whole = me.data?.level === "verified";
  useEffect(() => {
    document.title = "Usage and data · Rekindle";
  }, []);
  return (
    <View>
      <ViewHead title="Usage and data">What you used, and what is yours to take along or to have erased.</ViewHead>
      <div className="grid grid-cols-1 gap-8">
        <Usage />
        <Export whole={whole} />
        {whole && <Import />}
        {whole && me.data && <EraseMe email={me.data.email ?? null} id={me.data.user_id} />}
        {me.data && !whole && <p className="text-muted text-sm">Prove your address to bring conversations in, or to have everything erased.</p>}
      </div>
    </View>
  );
}

function Usage() {
  const api = useApi();
  const [days, setDays] = useState(30);
  const usage = useQuery({
    queryKey: ["usage", days],
    queryFn: () => held(api.http.GET("/api/v1/me/usage", { params: { query: { days } } })),
  });
  return (
    <section aria-labelledby="used" className="grid grid-cols-1 gap-4">
      <div className="flex items-center justify-between gap-3">
        <h2 id="used" className="font-semibold text-lg">
          Used
        </h2>
        <Select aria-label="Days" value={days} onChange={(event) => setDays(Number(event.target.value))} className="w-auto! h-9! text-sm">
          <option value={7}>7 days</option>
          <option value={30}>30 days</option>
          <option value={90}>90 days</option>
          <option value={366}>A year</option>
        </Select>
      </div>
      {usage.isPending && <Loading lines={3} />}
      {usage.isError && <Failure error={usage.error} onRetry={() => void usage.refetch()} />}
      {usage.data && <Used report={usage.data} days={days} />}
    </section>
  );
}

function Used({ report, days }: { report: Report; days: number }) {
  const { total, quota } = report;
  if (total.turns === 0 && !quota.tokens && !quota.cost)
    return (
      <Empty icon={<MessagesSquare />} title="Nothing was used yet">
        Every answer is counted here, with its tokens and what they cost.
      </Empty>
    );
  const tokens = total.input_tokens + total.output_tokens;
  const byDay = new Map<string, { turns: number; tokens: number }>();
  for (const day of report.days) {
    const sum = byDay.get(day.day) ?? { turns: 0, tokens: 0 };
    byDay.set(day.day, { turns: sum.turns + day.turns, tokens: sum.tokens + day.input_tokens + day.output_tokens });
  }
  const span = Array.from({ length: days }, (_, back) => utcDay(days - 1 - back));
  return (
    <>
      <dl className="grid grid-cols-2 gap-3 sm:grid-cols-4">
        <Figure name="Answers" value={total.turns.toLocaleString("en")} note={total.failed ? `${total.failed} did not complete` : undefined} />
        <Figure name="Tokens" value={brief(tokens)} note={`${brief(total.input_tokens)} in, ${brief(total.output_tokens)} out`} />
        <Figure name="Cost" value={total.cost === null ? "Unknown" : dollars(total.cost)} note={total.cost === null ? "a price is not known" : undefined} />
        <Figure name="Days" value={String(byDay.size)} note={`of ${days}`} />
      </dl>
      <Quotas report={report} />
      <Bars
        title="Tokens a day"
        bars={span.map((day) => {
          const used = byDay.get(day);
          return {
            key: day,
            label: dayName(day),
            value: used?.tokens ?? 0,
            says: `${dayName(day)}: ${(used?.tokens ?? 0).toLocaleString("en")} tokens in ${used?.turns ?? 0} answers`,
          };
        })}
        columns={["Day (UTC)", "Tokens"]}
        format={brief}
      />
      {Object.keys(report.models).length > 0 && (
        <Card className="overflow-x-auto p-4!">
          <table className="w-full text-sm tabular-nums">
            <caption className="mb-1 text-start text-muted">By model</caption>
            <thead className="text-muted">
              <tr>
                <Head>Model</Head>
                <Head>Answers</Head>
                <Head>Tokens</Head>
                <Head>Cost</Head>
              </tr>
            </thead>
            <tbody>
              {Object.entries(report.models).map(([name, used]) => (
                <tr key={name} className="border-line border-t">
                  <th scope="row" className="py-1.5 pe-3 text-start font-normal">
                    {name}
                  </th>
                  <td className="py-1.5 pe-3">{used.turns.toLocaleString("en")}</td>
                  <td className="py-1.5 pe-3">{brief(used.input_tokens + used.output_tokens)}</td>
                  <td className="py-1.5">{used.cost === null ? "?" : dollars(used.cost)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Card>
      )}
    </>
  );
}

function Figure({ name, value, note }: { name: string; value: string; note?: string | undefined }) {
  return (
    <div className="rounded-2xl border border-line bg-surface px-4 py-3">
      <dt className="text-muted text-sm">{name}</dt>
      <dd className="font-semibold text-xl tabular-nums">{value}</dd>
      {note && <dd className="text-muted text-xs">{note}</dd>}
    </div>
  );
}

function Quotas({ report: { quota } }: { report: Report }) {
  const kept = [
    { name: "Tokens left today", allowance: quota.tokens, say: (value: number) => Math.round(value).toLocaleString("en") },
    { name: "Left to spend today", allowance: quota.cost, say: dollars },
  ];
  return kept.map(({ name, allowance, say }) => {
    if (!allowance) return null;
    const share = allowance.limit ? allowance.left / allowance.limit : 0;
    return (
      <Card key={name} className="grid gap-2 p-4!">
        <div className="flex flex-wrap items-baseline justify-between gap-2">
          <h3 className="text-muted text-sm">{name}</h3>
          <p className="tabular-nums">
            <span className="font-semibold text-xl">{say(allowance.left)}</span> <span className="text-muted text-sm">of {say(allowance.limit)}</span>
          </p>
        </div>
        <svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden className="h-2 w-full rounded-full">
          <rect width="100" height="1" className="fill-ink/8" />
          <rect width={share * 100} height="1" className={share < 0.1 ? "fill-danger" : "fill-good"} />
        </svg>
        <p className="text-muted text-xs">Opens again at {clock(quota.opens_at)}.</p>
      </Card>
    );
  });
}

function dollars(value: number): string {
  return value.toLocaleString("en", { style: "currency", currency: "USD", maximumFractionDigits: value && value < 0.1 ? 4 : 2 });
}
