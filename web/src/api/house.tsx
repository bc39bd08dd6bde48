import { createContext, type ReactNode, use, useSyncExternalStore } from "react";
import type { Changes } from "./changes";
import type { Api } from "./client";
import type { Keys } from "./keyring";

/** What the components around a chat need to know of where they are: the page, the widget or a host's own app. */
export interface House {
  api: Api;
  /** The address of a session, or of a message in it; null where sessions have no address. */
  link: (session: string, seq?: number) => string | null;
  /** Goes to an address of `link` without loading the page anew. */
  visit?: (address: string) => void;
  /** Where drafts and unsent messages are kept; in memory where the browser closes its storage. */
  drafts: Drafts;
  /** Word of what happens elsewhere. */
  changes: Changes;
}

export interface Drafts {
  get(key: string): string | null;
  set(key: string, value: string | null): void;
}

const HouseContext = createContext<House | null>(null);

export function HouseProvider({ house, children }: { house: House; children: ReactNode }) {
  return <HouseContext value={house}>{children}</HouseContext>;
}

export function useHouse(): House {
  const house = use(HouseContext);
  if (!house) throw new Error("This component belongs inside a <HouseProvider> (or <RekindleProvider>).");
  return house;
}

export function useApi(): Api {
  return useHouse().api;
}

/** The tokens there are; the component follows them. */
export function useKeys(): Keys {
  const { keys } = useApi();
  return useSyncExternalStore(keys.subscribe, keys.get);
}

/** Drafts in the browser's storage, under a prefix. */
export function browserDrafts(prefix: string): Drafts {
  const memory = new Map<string, string>();
  return {
    get(key) {
      try {
        return localStorage.getItem(prefix + key) ?? memory.get(key) ?? null;
      } catch {
        return memory.get(key) ?? null;
      }
    },
    set(key, value) {
      if (value === null) memory.delete(key);
      else memory.set(key, value);
      try {
        if (value === null) localStorage.removeItem(prefix + key);
        else localStorage.setItem(prefix + key, value);
      } catch {
        // Closed or full: memory has it.
      }
    },
  };
}
