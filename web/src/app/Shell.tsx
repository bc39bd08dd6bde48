import { Outlet, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { useKeys } from "@/api/house";
import { useFollowing } from "@/api/queries";
import { Sheet } from "@/components/ui/dialog";
import { ShortcutSheet, useShortcuts } from "./Shortcuts";
import { Sidebar } from "./Sidebar";
import { TopBar } from "./TopBar";

const CheckInView = lazy(() => import("@/views/CheckInView").then((found) => ({ default: found.CheckInView })));

/** The frame of the page: sessions at the side, a bar above, the view in the middle. */
export function Shell() {
  const keys = useKeys();
  const [menu, setMenu] = useState(false);
  const [sheet, setSheet] = useState(false);
  const address = useRouterState({ select: (state) => state.location.pathname });
  useShortcuts(() => setSheet(true));
  useFollowing();
  // biome-ignore lint: the menu closes whenever the address changes
  useEffect(() => setMenu(false), [address]);

  if (!keys.account && keys.visits.length === 0) {
    return (
      <Suspense>
        <CheckInView />
      </Suspense>
    );
  }
  return (
    <div className="flex h-full" data-print="flow">
      <a href="#main" className="sr-only z-50 rounded-lg bg-surface px-3 py-2 focus:not-sr-only focus:fixed focus:start-2 focus:top-2">
        Skip to the content
      </a>
      <aside className="hidden w-72 shrink-0 border-e bg-sunken md:flex md:flex-col" data-print="hide">
        <Sidebar />
      </aside>
      <Sheet open={menu} onOpenChange={setMenu} title="Sessions and views">
        <Sidebar />
      </Sheet>
      <div className="flex min-w-0 flex-1 flex-col" data-print="flow">
        <TopBar onMenu={() => setMenu(true)} onShortcuts={() => setSheet(true)} />
        <main id="main" tabIndex={-1} className="min-h-0 flex-1 outline-none" data-print="flow">
          <Outlet />
        </main>
      </div>
      <ShortcutSheet open={sheet} onOpenChange={setSheet} />
    </div>
  );
}
