import { useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { held } from "@/api/client";
import { useApi } from "@/api/house";

/** End every token of this device and forget what it kept; drafts too. */
export function useLogOut(): () => Promise<void> {
  const api = useApi();
  const queries = useQueryClient();
  return useCallback(async () => {
    const tokens = api.keys.tokens();
    // Here first: whoever leaves is gone from this device even if the server cannot be told.
    api.keys.clear();
    forgetDrafts("rekindle.draft.");
    queries.clear();
    history.replaceState(null, "", "/");
    // Told even if the tab is closed at once.
    const leaving = { body: {} as never, keepalive: true };
    await Promise.allSettled(tokens.map((token) => held(api.as(token).POST("/api/v1/identity/logout", leaving))));
    location.assign("/");
  }, [api, queries]);
}

/** Forget what was written under a prefix and not sent. */
export function forgetDrafts(prefix: string) {
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(prefix)) localStorage.removeItem(key);
  } catch {
    // Closed storage holds none.
  }
}
