/** What the page around the widget and the frame say to each other. Each names the other's origin; nothing else is heard. */
export type ToFrame =
  /** The answer to `hello`: what this site kept for the frame, and who its user is. */
  | { rekindle: "welcome"; kept: string | null; token: string | null }
  | { rekindle: "user"; token: string | null }
  | { rekindle: "reset" }
  | { rekindle: "shown" };

export type ToSite =
  | { rekindle: "hello" }
  | { rekindle: "ready" }
  /** To be kept by the site, as the browser lets the frame keep nothing. */
  | { rekindle: "keep"; value: string | null }
  | { rekindle: "close" }
  | { rekindle: "event"; name: "session" | "answer"; detail: { session: string } };
