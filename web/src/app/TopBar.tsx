import { Keyboard, Menu as MenuIcon, Monitor, Moon, Sun } from "lucide-react";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Menu, MenuItem } from "@/components/ui/menu";
import { Tooltip } from "@/components/ui/tooltip";
import { chooseTheme, chosenTheme, type Theme } from "./theme";

const THEMES: [Theme, string, typeof Sun][] = [
  ["system", "As the system", Monitor],
  ["light", "Light", Sun],
  ["dark", "Dark", Moon],
];

/** The bar above every view. A view puts what is its own into `#bar` and `#bar-actions` (see `Bar`). */
export function TopBar({ onMenu, onShortcuts }: { onMenu: () => void; onShortcuts: () => void }) {
  const [theme, setTheme] = useState(chosenTheme);
  const Icon = THEMES.find(([name]) => name === theme)?.[2] ?? Monitor;
  return (
    <header className="flex h-14 shrink-0 items-center gap-1 border-b px-2 sm:px-4" data-print="hide">
      <Button variant="quiet" size="icon" className="md:hidden!" aria-label="Sessions and views" onClick={onMenu}>
        <MenuIcon />
      </Button>
      <div id="bar" className="flex min-w-0 flex-1 items-center gap-2 px-1" />
      <div id="bar-actions" className="flex items-center gap-1" />
      <Tooltip text="Keyboard shortcuts" keys="?">
        <Button variant="quiet" size="icon" className="max-sm:hidden!" aria-label="Keyboard shortcuts" onClick={onShortcuts}>
          <Keyboard />
        </Button>
      </Tooltip>
      <Menu
        button={
          <Button variant="quiet" size="icon" aria-label="Theme">
            <Icon />
          </Button>
        }
      >
        {THEMES.map(([name, label, ThemeIcon]) => (
          <MenuItem
            key={name}
            onSelect={() => {
              chooseTheme(name);
              setTheme(name);
            }}
          >
            <ThemeIcon /> {label}
          </MenuItem>
        ))}
      </Menu>
    </header>
  );
}
