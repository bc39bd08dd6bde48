import { QueryClient } from "@tanstack/react-query";
import { Changes } from "@/api/changes";
import { Api } from "@/api/client";
import { browserDrafts, type House } from "@/api/house";
import { browserStore, Keyring } from "@/api/keyring";
import { Problem } from "@/api/problem";

/** What the page as a whole stands on: made once. */
const KEYS = "rekindle.keys";

export const keyring = new Keyring(browserStore(KEYS));
export const api = new Api(keyring);

export const house: House = {
  api,
  link: (session, seq) => `/s/${session}${seq ? `#m${seq}` : ""}`,
  drafts: browserDrafts("rekindle.draft."),
  changes: new Changes(api),
};

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (times, error) => times < 2 && Problem.caught(error).passing,
    },
  },
});

window.addEventListener("storage", (event) => {
  // Another tab has checked in or left; a null key means that everything was cleared.
  if (event.key === KEYS || event.key === null) {
    const { account } = keyring.get();
    keyring.reread();
    // Of somebody else nothing is shown, not even until it is read anew.
    void (keyring.get().account === account ? queries.invalidateQueries() : queries.resetQueries());
  }
});
