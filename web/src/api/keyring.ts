/**
 * The tokens this browser holds. An account's token opens all of its owner's; a visit's opens one session, the one that
 * was begun with it. Kept in local storage, where there is any, and only once somebody has checked in.
 */
export interface Visit {
  session: string;
  token: string;
  /** The address had been here before, the server said. */
  returning?: boolean;
}

export interface Keys {
  account: string | null;
  visits: Visit[];
  /** What the visitor called themselves; shown on this device only. */
  visitor: { name: string; email: string; phone: string } | null;
}

export const NO_KEYS: Keys = { account: null, visits: [], visitor: null };

const MOST_VISITS = 30;

/** Where keys are kept between page loads. */
export interface Store {
  read(): string | null;
  write(value: string | null): void;
}

/** A store that lasts as long as the page: for tests, and for frames whose storage the browser closes. */
export function memoryStore(): Store {
  let kept: string | null = null;
  return { read: () => kept, write: (value) => void (kept = value) };
}

/** A store in local storage under a name; in memory where the browser has closed that. */
export function browserStore(name: string): Store {
  const memory = memoryStore();
  return {
    read() {
      try {
        return localStorage.getItem(name) ?? memory.read();
      } catch {
        return memory.read();
      }
    },
    write(value) {
      memory.write(value);
      try {
        if (value === null) localStorage.removeItem(name);
        else localStorage.setItem(name, value);
      } catch {
        // Closed or full: memory has it.
      }
    },
  };
}

export class Keyring {
  readonly #store: Store;
  readonly #listeners = new Set<() => void>();
  #keys: Keys;

  constructor(store: Store) {
    this.#store = store;
    this.#keys = parse(store.read());
  }

  /** The keys as they are; the same object until they change. */
  get = (): Keys => this.#keys;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Read again: another tab has changed them. */
  reread(): void {
    this.#keys = parse(this.#store.read());
    this.#tell();
  }

  change(next: Partial<Keys>): void {
    this.#keys = { ...this.#keys, ...next };
    const empty = !this.#keys.account && this.#keys.visits.length === 0 && !this.#keys.visitor;
    this.#store.write(empty ? null : JSON.stringify(this.#keys));
    this.#tell();
  }

  /** Use these keys without keeping them: whose they are keeps them. */
  lend(keys: Keys): void {
    this.#keys = keys;
    this.#tell();
  }

  addVisit(visit: Visit, visitor: Keys["visitor"]): void {
    const others = this.#keys.visits.filter((known) => known.session !== visit.session);
    this.change({ visits: [visit, ...others].slice(0, MOST_VISITS), visitor });
  }

  dropVisit(session: string): void {
    this.change({ visits: this.#keys.visits.filter((visit) => visit.session !== session) });
  }

  clear(): void {
    this.change(NO_KEYS);
  }

  /** The token to use for a session, or for what is not about one. */
  token(session?: string | null): string | null {
    const { account, visits } = this.#keys;
    const visit = session ? visits.find((known) => known.session === session) : undefined;
    return visit?.token ?? account ?? visits[0]?.token ?? null;
  }

  /** Every token there is. */
  tokens(): string[] {
    const { account, visits } = this.#keys;
    return [...(account ? [account] : []), ...visits.map((visit) => visit.token)];
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function parse(text: string | null): Keys {
  if (!text) return NO_KEYS;
  try {
    const { account, visits, visitor } = JSON.parse(text) as Partial<Keys>;
    return {
      account: typeof account === "string" ? account : null,
      visits: Array.isArray(visits) ? visits.filter((v) => typeof v?.session === "string" && typeof v?.token === "string") : [],
      visitor: visitor ?? null,
    };
  } catch {
    return NO_KEYS;
  }
}
