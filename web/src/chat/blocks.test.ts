import { describe, expect, it } from "vitest";
import { blocks } from "./blocks";

describe("a growing text's blocks", () => {
  it("are cut at blank lines", () => {
    expect(blocks("one\ntwo\n\nthree")).toEqual(["one\ntwo", "three"]);
  });

  it("keep fenced code whole, closed or not", () => {
    expect(blocks("a\n\n```\nx\n\ny\n```\n\nb")).toEqual(["a", "```\nx\n\ny\n```", "b"]);
    expect(blocks("```js\nx\n\ny")).toEqual(["```js\nx\n\ny"]);
    expect(blocks("~~~\n```\n\n~~~\n\nz")).toEqual(["~~~\n```\n\n~~~", "z"]);
  });

  it("keep lists whole, whose numbers would begin anew", () => {
    expect(blocks("1. a\n\n2. b\n\n   more\n\nend")).toEqual(["1. a\n\n2. b\n\n   more", "end"]);
  });

  it("only change at the end while the text grows", () => {
    const text = "First.\n\n- a\n- b\n\n```\ncode\n\nmore\n```\n\n| a |\n|---|\n| 1 |\n\nLast.";
    let before: string[] = [];
    for (let length = 1; length <= text.length; length++) {
      const now = blocks(text.slice(0, length));
      expect(now.slice(0, Math.max(0, before.length - 2))).toEqual(before.slice(0, Math.max(0, before.length - 2)));
      before = now;
    }
  });
});
