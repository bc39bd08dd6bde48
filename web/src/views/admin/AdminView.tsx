import { Link, useParams } from "@tanstack/react-router";
import { type ComponentType, type LazyExoticComponent, lazy, Suspense, useEffect, useRef } from "react";
import { useMe } from "@/api/queries";
import { View, ViewHead } from "@/components/ui/card";
import { Empty, Loading } from "@/components/ui/states";

interface Part {
  path: string;
  name: string;
  Shown: LazyExoticComponent<ComponentType>;
}

const PARTS: Part[] = [
  { path: "", name: "Dashboard", Shown: lazy(() => import("./Dashboard").then((found) => ({ default: found.Dashboard }))) },
  { path: "review", name: "Sessions", Shown: lazy(() => import("./Review").then((found) => ({ default: found.Review }))) },
  { path: "people", name: "People", Shown: lazy(() => import("./People").then((found) => ({ default: found.People }))) },
  { path: "knowledge", name: "Knowledge", Shown: lazy(() => import("./Knowledge").then((found) => ({ default: found.Knowledge }))) },
  { path: "prices", name: "Prices", Shown: lazy(() => import("./Prices").then((found) => ({ default: found.Prices }))) },
  { path: "jobs", name: "Jobs", Shown: lazy(() => import("./Jobs").then((found) => ({ default: found.Jobs }))) },
  { path: "audit", name: "Audit log", Shown: lazy(() => import("./Audit").then((found) => ({ default: found.Audit }))) },
];

/** What administrators see: how the house is used, sessions to review, knowledge, prices, jobs, and who saw what. */
export function AdminView() {
  const me = useMe();
  const { _splat } = useParams({ strict: false }) as { _splat?: string };
  const at = PARTS.find(({ path }) => path === (_splat ?? "").replace(/\/$/, ""));
  const tabs = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a phone not all of them can be seen at once.
    tabs.current?.querySelector("[aria-current=page]")?.scrollIntoView({ inline: "center", block: "nearest" });
  }, [at, me.isPending]);
  useEffect(() => {
    document.title = `${at?.name ?? "Administration"} · Administration · Rekindle`;
  }, [at]);
  if (me.isPending) return null;
  if (!me.data?.admin)
    return (
      <View>
        <Empty title="This is for administrators">Their addresses are set where this server is run.</Empty>
      </View>
    );
  return (
    <View wide>
      <ViewHead title="Administration" />
      <nav ref={tabs} aria-label="Administration" className="-mx-4 mb-6 flex gap-1 overflow-x-auto border-line border-b px-4 sm:mx-0 sm:px-0">
        {PARTS.map(({ path, name }) => (
          <Link
            key={path}
            to={path ? "/admin/$" : "/admin"}
            {...(path ? { params: { _splat: path } } : {})}
            activeOptions={{ exact: true, includeSearch: false }}
            className="-mb-px -outline-offset-2 whitespace-nowrap border-transparent border-b-2 px-3 py-2 font-medium text-muted text-sm hover:text-ink aria-[current=page]:border-accent aria-[current=page]:text-ink"
          >
            {name}
          </Link>
        ))}
      </nav>
      {at ? (
        <Suspense fallback={<Loading lines={6} />}>
          <at.Shown />
        </Suspense>
      ) : (
        <Empty title="There is nothing here">Choose a part above.</Empty>
      )}
    </View>
  );
}
