import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { ErrorView, NotFoundView } from "./ErrorView";
import { Root } from "./Root";
import { Shell } from "./Shell";

/**
 * Every address of the page. A view is a lazy chunk: `web/src/views/` has one file each. Whoever adds one adds it here
 * and to `VIEWS` in src/rekindle/http/page.py.
 */
const root = createRootRoute({ component: Root, errorComponent: ErrorView, notFoundComponent: NotFoundView });

const widget = createRoute({
  getParentRoute: () => root,
  path: "/widget",
  component: lazyRouteComponent(() => import("@/widget/WidgetView"), "WidgetView"),
});

const shell = createRoute({ getParentRoute: () => root, id: "shell", component: Shell });

const home = createRoute({
  getParentRoute: () => shell,
  path: "/",
  component: lazyRouteComponent(() => import("@/views/HomeView"), "HomeView"),
});

const session = createRoute({
  getParentRoute: () => shell,
  path: "/s/$sessionId",
  component: lazyRouteComponent(() => import("@/views/SessionView"), "SessionView"),
});

type Search = { q?: string; role?: "user" | "assistant"; session?: string; since?: string; until?: string };

const search = createRoute({
  getParentRoute: () => shell,
  path: "/search",
  validateSearch: (given: Record<string, unknown>): Search => texts(given, ["q", "role", "session", "since", "until"]),
  component: lazyRouteComponent(() => import("@/views/SearchView"), "SearchView"),
});

const memory = createRoute({
  getParentRoute: () => shell,
  path: "/memory",
  component: lazyRouteComponent(() => import("@/views/MemoryView"), "MemoryView"),
});

const growth = createRoute({
  getParentRoute: () => shell,
  path: "/growth",
  component: lazyRouteComponent(() => import("@/views/GrowthView"), "GrowthView"),
});

const usage = createRoute({
  getParentRoute: () => shell,
  path: "/usage",
  component: lazyRouteComponent(() => import("@/views/UsageView"), "UsageView"),
});

const admin = createRoute({
  getParentRoute: () => shell,
  path: "/admin",
  component: lazyRouteComponent(() => import("@/views/admin/AdminView"), "AdminView"),
});

const adminPart = createRoute({
  getParentRoute: () => shell,
  path: "/admin/$",
  validateSearch: (given: Record<string, unknown>) => texts(given, Object.keys(given)),
  component: lazyRouteComponent(() => import("@/views/admin/AdminView"), "AdminView"),
});

export const router = createRouter({
  routeTree: root.addChildren([widget, shell.addChildren([home, session, search, memory, growth, usage, admin, adminPart])]),
  defaultPreload: "intent",
  defaultPendingMs: 300,
  scrollRestoration: false,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

/** Those of the given that are texts: an address may hold anything. */
function texts(given: Record<string, unknown>, names: string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = given[name];
    if (typeof value === "string" || typeof value === "number") found[name] = String(value);
  }
  return found;
}
