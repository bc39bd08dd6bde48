import { Link, useParams } from "@tanstack/react-router";
import { Brain, ChartNoAxesColumn, Gauge, LogOut, MailCheck, Plus, Search, ShieldCheck, Sprout, UserRound } from "lucide-react";
import { useState } from "react";
import { useKeys } from "@/api/house";
import { useMe } from "@/api/queries";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Menu, MenuItem, MenuLine } from "@/components/ui/menu";
import { ProveAddress } from "@/identity/ProveAddress";
import { useLogOut } from "@/identity/logout";
import { useSessionActions } from "./actions";
import { Logo } from "./Logo";
import { SessionList } from "./SessionList";
import { mod } from "./Shortcuts";

const VIEWS = [
  { to: "/memory", name: "What I remember", Icon: Brain },
  { to: "/growth", name: "Growth", Icon: Sprout },
  { to: "/usage", name: "Usage and data", Icon: Gauge },
] as const;

const viewLook =
  "flex items-center gap-2.5 rounded-lg px-2.5 py-1.5 text-sm hover:bg-ink/7 aria-[current=page]:bg-ink/8 aria-[current=page]:font-medium [&_svg]:size-4 [&_svg]:text-muted";

/** Everything at the side of the page. */
export function Sidebar() {
  const { begin } = useSessionActions();
  const { sessionId } = useParams({ strict: false });
  const me = useMe();
  return (
    // Where the page is low all of it scrolls, or there would be no room for the list.
    <div className="flex h-full min-h-0 flex-col [@media(height<32rem)]:overflow-y-auto">
      <div className="flex h-14 shrink-0 items-center px-4">
        <Link to="/" className="flex items-center gap-2 rounded-md font-semibold tracking-tight">
          <Logo /> Rekindle
        </Link>
      </div>
      <div className="grid gap-1 px-3 pb-3">
        <Button variant="solid" className="w-full" onClick={() => void begin()}>
          <Plus /> New session
        </Button>
        <Link to="/search" className={viewLook}>
          <Search /> Search
          <kbd className="ms-auto pointer-coarse:hidden">{mod} K</kbd>
        </Link>
      </div>
      <nav aria-label="Sessions" className="min-h-0 flex-1 overflow-y-auto px-3 pb-4 [@media(height<32rem)]:flex-none [@media(height<32rem)]:overflow-visible" tabIndex={-1}>
        <SessionList current={sessionId ?? null} />
      </nav>
      <nav aria-label="Views" className="grid gap-0.5 border-t px-3 py-2">
        {VIEWS.map(({ to, name, Icon }) => (
          <Link key={to} to={to} className={viewLook}>
            <Icon /> {name}
          </Link>
        ))}
        {me.data?.admin && (
          <Link to="/admin" className={viewLook}>
            <ChartNoAxesColumn /> Administration
          </Link>
        )}
      </nav>
      <Person />
    </div>
  );
}

/** Who is here, how sure that is, and the ways to prove it and to leave. */
function Person() {
  const keys = useKeys();
  const me = useMe();
  const logOut = useLogOut();
  const [proving, setProving] = useState(false);
  const email = me.data?.email ?? keys.visitor?.email ?? null;
  const name = me.data?.name || keys.visitor?.name || email || "Guest";
  const verified = me.data?.level === "verified";
  return (
    <div className="border-t p-3">
      <Menu
        align="start"
        button={
          <Button variant="ghost" className="h-auto! w-full justify-start! gap-2.5 px-2! py-1.5 text-start">
            <span className="sr-only">You: </span>
            <span className="grid size-8 shrink-0 place-items-center rounded-full bg-accent-soft text-accent-ink">
              <UserRound />
            </span>
            <span className="grid min-w-0 flex-1">
              <span className="truncate text-sm" dir="auto">
                {name}
              </span>
              {email && email !== name && <span className="truncate font-normal text-muted text-xs">{email}</span>}
            </span>
            <Level level={me.data?.level} />
          </Button>
        }
      >
        {!verified && (
          <MenuItem onSelect={() => setProving(true)}>
            <MailCheck /> Prove your address
          </MenuItem>
        )}
        {!verified && <MenuLine />}
        <MenuItem onSelect={() => void logOut()}>
          <LogOut /> Log out
        </MenuItem>
      </Menu>
      <ProveAddress open={proving} onOpenChange={setProving} email={email ?? ""} />
    </div>
  );
}

export function Level({ level }: { level: "anonymous" | "claimed" | "verified" | undefined }) {
  if (level === "verified")
    return (
      <Badge tone="good">
        <ShieldCheck aria-hidden /> Verified
      </Badge>
    );
  if (level === "claimed") return <Badge tone="warn">Not proven</Badge>;
  return level ? <Badge>Guest</Badge> : null;
}
