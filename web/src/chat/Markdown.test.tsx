import { render, screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { FinishedMarkdown, GrowingMarkdown, Markdown } from "./Markdown";
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

describe("an answer that was seen growing", () => {
  const grow = (text: string) => {
    const live = render(<GrowingMarkdown text={text} />);
    const grown = live.container.innerHTML;
    live.unmount();
    const finished = render(<FinishedMarkdown text={text} />).container;
    return { grown, finished };
  };

  it("stays as it was when it is finished", () => {
    const { grown, finished } = grow("# One\n\nTwo *three*.\n\n```\nfour\n```\n\nFive.");
    expect(finished.innerHTML).toBe(grown);
    expect(finished.querySelectorAll("h3, em, pre")).toHaveLength(3);
  });

  it("is read as a whole where its links are defined elsewhere in it", () => {
    const { finished } = grow("See [there][1].\n\nMore.\n\n[1]: https://a.example/x");
    expect(finished.querySelector("a")?.getAttribute("href")).toBe("https://a.example/x");
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
