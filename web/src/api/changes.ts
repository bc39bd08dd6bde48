import { type Api, held } from "./client";
import { pause } from "./pause";
import { Problem } from "./problem";

const WAIT_SECONDS = 25;
const REST_MS = 2_000;
const AGAIN_MS = 5_000;
const MOST_AGAIN_MS = 60_000;

/**
 * Word of when the account's sessions have changed, by whomever. One request waits for it, in one visible tab of this
 * browser, which tells the others; while the server cannot be asked, word is given now and then without knowing.
 * A visit's token opens one session and has nothing to wait for.
 */
export class Changes {
  /** Whether this tab is the one that waits: then there is no need to look oneself. */
  live = false;
  readonly #api: Api;
  readonly #listeners = new Set<() => void>();
  #waiting = new AbortController();
  #account: string | null = null;
  #version: string | null = null;
  #tabs: BroadcastChannel | null = null;
  #unkey = () => undefined as unknown;

  constructor(api: Api) {
    this.#api = api;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#start();
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#stop();
    };
  };

  #start(): void {
    document.addEventListener("visibilitychange", this.#turn);
    this.#unkey = this.#api.keys.subscribe(() => this.#account !== this.#api.keys.get().account && this.#turn());
    this.#turn();
  }

  #stop(): void {
    document.removeEventListener("visibilitychange", this.#turn);
    this.#unkey();
    this.#leave();
  }

  #leave(): void {
    this.#waiting.abort();
    this.#tabs?.close();
    this.#tabs = null;
    this.live = false;
  }

  /** Begin anew, as is right now: who is here or whether anybody looks has changed. */
  #turn = (): void => {
    this.#leave();
    const { account } = this.#api.keys.get();
    if (account !== this.#account) this.#version = null;
    this.#account = account;
    if (!account || document.visibilityState === "hidden") return;
    this.#waiting = new AbortController();
    const { signal } = this.#waiting;
    // The end of a token is its signature: another account's tabs have other words.
    const name = `rekindle.changes${this.#api.base}.${account.slice(-16)}`;
    if ("BroadcastChannel" in globalThis) {
      this.#tabs = new BroadcastChannel(name);
      this.#tabs.onmessage = () => this.#tell();
    }
    const turned = Date.now();
    const wait = () => this.#wait(account, turned, signal);
    // Where there are no locks, on an origin that is not secure and in a frame of another site, each visible tab waits.
    if (navigator.locks) navigator.locks.request(name, { signal }, wait).catch(() => (signal.aborted ? undefined : wait()));
    else void wait();
  };

  async #wait(account: string, turned: number, signal: AbortSignal): Promise<void> {
    let wait = 0;
    for (let again = AGAIN_MS; !signal.aborted; ) {
      const began = Date.now();
      try {
        const query = { wait, ...(this.#version ? { after: this.#version } : {}) };
        const { version } = await held(this.#api.as(account).GET("/api/v1/me/changes", { params: { query }, signal }));
        // A tab that waited for its turn does not know what it has missed meanwhile.
        const changed = this.#version === null ? began - turned > REST_MS / 2 : this.#version !== version;
        this.#version = version;
        this.live = true;
        again = AGAIN_MS;
        if (changed) this.#tellAll();
        // At first the page is left to come to rest. Later only a server that stops answers at once.
        if (wait === 0 || (!changed && Date.now() - began < REST_MS)) await pause(REST_MS, signal);
        wait = WAIT_SECONDS;
      } catch (error) {
        this.live = false;
        if (signal.aborted || [401, 403].includes(Problem.caught(error).status)) return;
        await pause(again, signal);
        again = Math.min(again * 2, MOST_AGAIN_MS);
        if (!signal.aborted) this.#tellAll();
      }
    }
  }

  #tellAll(): void {
    this.#tabs?.postMessage(null);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
