import { QueryClientProvider } from "@tanstack/react-query";
import { Outlet, useRouter } from "@tanstack/react-router";
import { useMemo } from "react";
import { HouseProvider } from "@/api/house";
import { Toasts } from "@/components/ui/toast";
import { LiveRegions } from "@/lib/live";
import { house, queries } from "./house";

/** What every view stands in. */
export function Root() {
  const { history } = useRouter();
  const here = useMemo(() => ({ ...house, visit: (address: string) => history.push(address) }), [history]);
  return (
    <HouseProvider house={here}>
      <QueryClientProvider client={queries}>
        <Outlet />
        <Toasts />
        <LiveRegions />
      </QueryClientProvider>
    </HouseProvider>
  );
}
