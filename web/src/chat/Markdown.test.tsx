import { render, screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { Markdown } from "./Markdown";
import { safeAddress } from "./SafeLink";

describe("Markdown", () => {
  it("shows HTML as the text it is", () => {
    const { container } = render(<Markdown text={"<b onclick=x>hi</b> <img src=http://a.example/x>\n\n<script>1</script>"} />);
    expect(container.querySelector("b, img, script")).toBeNull();
    expect(container.textContent).toContain("<script>1</script>");
  });

  it("makes a picture a link", () => {
    const { container } = render(<Markdown text="![A cat](https://a.example/cat.png)" />);
    expect(container.querySelector("img")).toBeNull();
    expect(screen.getByRole("link", { name: "A cat" }).getAttribute("href")).toBe("https://a.example/cat.png");
  });

  it("numbers a list as it was numbered and marks tasks", () => {
    const { container } = render(<Markdown text={"3. c\n4. d\n\n- [x] done\n- [ ] open"} />);
    expect(container.querySelector("ol")?.start).toBe(3);
    expect(container.querySelectorAll("input:checked")).toHaveLength(1);
  });

  it("goes no deeper than anybody reads", () => {
    const { container } = render(<Markdown text={`${"> ".repeat(500)}deep`} />);
    expect(container.querySelectorAll("blockquote").length).toBeLessThan(60);
  });
});

describe("an address", () => {
  it.each(["https://a.example/x?y#z", "http://a.example", "HTTPS://A.example", "mailto:a@b.example"])("%s may be followed", (address) => {
    expect(safeAddress(address)).toBe(address);
  });

  it.each(["javascript:x", "java\nscript:x", "\u0001javascript:x", "data:text/html,x", "//a.example", "/api/v1/me", "vbscript:x", "", null])(
    "%j may not",
    (address) => {
      expect(safeAddress(address)).toBeNull();
    },
  );
});
