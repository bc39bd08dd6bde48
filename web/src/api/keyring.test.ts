import { describe, expect, it } from "vitest";
import { Keyring, memoryStore } from "./keyring";

describe("the keyring", () => {
  it("opens a session with its own token, and all else with the account's", () => {
    const keys = new Keyring(memoryStore());
    expect(keys.token("a")).toBeNull();
    keys.addVisit({ session: "a", token: "ta" }, null);
    keys.addVisit({ session: "b", token: "tb" }, null);
    expect([keys.token("a"), keys.token("b"), keys.token("c"), keys.token()]).toEqual(["ta", "tb", "tb", "tb"]);
    keys.change({ account: "t" });
    expect([keys.token("a"), keys.token("c"), keys.token()]).toEqual(["ta", "t", "t"]);
    expect(keys.tokens()).toEqual(["t", "tb", "ta"]);
  });

  it("stores nothing before there is something, and nothing after it was cleared", () => {
    const store = memoryStore();
    const keys = new Keyring(store);
    expect(store.read()).toBeNull();
    keys.addVisit({ session: "a", token: "ta" }, { name: "Ada", email: "", phone: "" });
    expect(new Keyring(store).token("a")).toBe("ta");
    keys.clear();
    expect(store.read()).toBeNull();
  });

  it("uses keys that were lent without keeping them", () => {
    const store = memoryStore();
    const keys = new Keyring(store);
    keys.lend({ account: "theirs", visits: [], visitor: null });
    expect(keys.token()).toBe("theirs");
    expect(store.read()).toBeNull();
  });

  it.each(["", "nonsense", "[]", "null", '{"visits": [{"token": 1}], "account": {}}'])("is empty where %j is stored", (text) => {
    const store = memoryStore();
    store.write(text);
    expect(new Keyring(store).tokens()).toEqual([]);
  });
});
