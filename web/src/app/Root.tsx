import { QueryClientProvider } from "@tanstack/react-query";
import { Outlet } from "@tanstack/react-router";
import { HouseProvider } from "@/api/house";
import { TooltipProvider } from "@/components/ui/tooltip";
import { Toasts } from "@/components/ui/toast";
import { LiveRegions } from "@/lib/live";
import { house, queries } from "./house";

/** What every view stands in. */
export function Root() {
  return (
    <HouseProvider house={house}>
      <QueryClientProvider client={queries}>
        <TooltipProvider>
          <Outlet />
          <Toasts />
          <LiveRegions />
        </TooltipProvider>
      </QueryClientProvider>
    </HouseProvider>
  );
}
