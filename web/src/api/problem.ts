/** What went wrong, as the server tells it (RFC 9457), or as the browser does when there is no server. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfter: number | null;
  readonly extra: Record<string, unknown>;

  constructor(status: number, code: string, detail: string, extra: Record<string, unknown> = {}) {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.extra = extra;
    this.retryAfter = typeof extra.retry_after === "number" ? extra.retry_after : null;
  }

  /** Whether the same again may well succeed. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  /** The problem that an answer tells of. */
  static async of(response: Response): Promise<Problem> {
    return Problem.from(response.status, await response.json().catch(() => null));
  }

  /** The problem that a body tells of. */
  static from(status: number, body: unknown): Problem {
    if (body && typeof body === "object" && "detail" in body && "code" in body) {
      const { detail, code, ...extra } = body as Record<string, unknown>;
      return new Problem(status, String(code), String(detail), extra);
    }
    return new Problem(status, "unexpected", `The server answered ${status || "nothing"}. Try again.`);
  }

  /** The problem that something thrown is. */
  static caught(thrown: unknown): Problem {
    if (thrown instanceof Problem) return thrown;
    return new Problem(0, "offline", "The server cannot be reached. Check the connection and try again.");
  }
}
