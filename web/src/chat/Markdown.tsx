import type { AlignType, Definition, Nodes } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmAutolinkLiteralFromMarkdown } from "mdast-util-gfm-autolink-literal";
import { gfmStrikethroughFromMarkdown } from "mdast-util-gfm-strikethrough";
import { gfmTableFromMarkdown } from "mdast-util-gfm-table";
import { gfmTaskListItemFromMarkdown } from "mdast-util-gfm-task-list-item";
import { gfmAutolinkLiteral } from "micromark-extension-gfm-autolink-literal";
import { gfmStrikethrough } from "micromark-extension-gfm-strikethrough";
import { gfmTable } from "micromark-extension-gfm-table";
import { gfmTaskListItem } from "micromark-extension-gfm-task-list-item";
import { createElement, Fragment, memo, type ReactNode, useMemo } from "react";
import { cn } from "@/lib/cn";
import { blocks } from "./blocks";
import { CopyButton } from "./CopyButton";
import { SafeLink } from "./SafeLink";

const reading = {
  extensions: [gfmAutolinkLiteral(), gfmStrikethrough(), gfmTable(), gfmTaskListItem()],
  mdastExtensions: [
    gfmAutolinkLiteralFromMarkdown(),
    gfmStrikethroughFromMarkdown(),
    gfmTableFromMarkdown(),
    gfmTaskListItemFromMarkdown(),
  ],
};

const DEEPEST = 40;

/** A text as Markdown: no HTML, no pictures, no addresses but those that `SafeLink` lets pass. */
export const Markdown = memo(function Markdown({ text, className }: { text: string; className?: string }) {
  const shown = useMemo(() => grown.get(text) ?? render(text), [text]);
  return <div className={cn("prose", className)}>{shown}</div>;
});

/** Blocks of answers that were seen growing, as they were read: not to be read once more when an answer is finished. */
const grown = new Map<string, ReactNode>();
const GROWN = 300;

/** The same for a text that grows: what is complete of it is not read again with every token. */
export function GrowingMarkdown({ text }: { text: string }) {
  const pieces = blocks(text);
  for (const piece of pieces.slice(0, -1)) {
    if (grown.has(piece)) continue;
    if (grown.size >= GROWN) grown.delete(grown.keys().next().value ?? "");
    grown.set(piece, render(piece));
  }
  return <Blocks pieces={pieces} />;
}

const DEFINES = /^ {0,3}\[[^\]]+\]:/m;

/** A text that is whole. One that was seen growing stays in its blocks: to read it all at once would take long. */
export function FinishedMarkdown({ text }: { text: string }) {
  const pieces = useMemo(() => blocks(text), [text]);
  // A link may be defined in another block than it stands in.
  if (pieces.length > 1 && grown.has(pieces[0]!) && !DEFINES.test(text)) return <Blocks pieces={pieces} />;
  return <Markdown text={text} />;
}

function Blocks({ pieces }: { pieces: string[] }) {
  return (
    <div className="blocks">
      {pieces.map((piece, place) => (
        // Blocks only ever come at the end, so their places are their names.
        // biome-ignore lint: see above
        <Markdown key={place} text={piece} />
      ))}
    </div>
  );
}

/**
 * The tree that was read, as elements. Only what stands here can come out of it, whatever was written: every node
 * becomes one of these elements or a text, and nothing is ever set as HTML.
 */
function render(text: string): ReactNode {
  const tree = fromMarkdown(text, reading);
  const definitions = new Map<string, Definition>();
  for (const node of tree.children) if (node.type === "definition") definitions.set(node.identifier, node);

  const all = (nodes: Nodes[], depth: number): ReactNode[] => nodes.map((node, place) => <Fragment key={place}>{one(node, depth)}</Fragment>);
  const one = (node: Nodes, depth: number): ReactNode => {
    if (depth > DEEPEST) return "…";
    const inside = () => ("children" in node ? all(node.children, depth + 1) : null);
    switch (node.type) {
      case "text":
      case "html": // as it was written, to be read
        return node.value;
      case "paragraph":
        // Each block finds its own direction, so that Arabic in an English talk reads as it should.
        return <p dir="auto">{inside()}</p>;
      case "heading":
        return createElement(`h${Math.min(6, node.depth + 2)}`, { dir: "auto" }, inside());
      case "emphasis":
        return <em>{inside()}</em>;
      case "strong":
        return <strong>{inside()}</strong>;
      case "delete":
        return <del>{inside()}</del>;
      case "inlineCode":
        return <code>{node.value}</code>;
      case "code":
        return <Code text={node.value} />;
      case "break":
        return <br />;
      case "thematicBreak":
        return <hr />;
      case "blockquote":
        return <blockquote dir="auto">{inside()}</blockquote>;
      case "list":
        return node.ordered ? <ol start={node.start ?? 1}>{inside()}</ol> : <ul>{inside()}</ul>;
      case "listItem": {
        // In a tight list the items are lines, not paragraphs.
        const parts = node.children.map((part, place) => (
          <Fragment key={place}>{part.type === "paragraph" && !node.spread ? all(part.children, depth + 2) : one(part, depth + 1)}</Fragment>
        ));
        if (typeof node.checked !== "boolean") return <li dir="auto">{parts}</li>;
        return (
          <li dir="auto" className="list-none">
            <input type="checkbox" checked={node.checked} readOnly disabled aria-label={node.checked ? "Done" : "To do"} />
            {parts}
          </li>
        );
      }
      case "table":
        return (
          // biome-ignore lint: what scrolls has to be reachable by keyboard
          <div className="table-wrap" tabIndex={0} role="region" aria-label="Table">
            <table>
              {node.children.map((row, at) =>
                createElement(
                  at === 0 ? "thead" : "tbody",
                  { key: at },
                  <tr>
                    {row.children.map((cell, column) =>
                      createElement(
                        at === 0 ? "th" : "td",
                        { key: column, dir: "auto", style: aligned(node.align?.[column]) },
                        all(cell.children, depth + 3),
                      ),
                    )}
                  </tr>,
                ),
              )}
            </table>
          </div>
        );
      case "link":
        return <SafeLink href={node.url}>{inside()}</SafeLink>;
      case "linkReference":
        return <SafeLink href={definitions.get(node.identifier)?.url}>{inside()}</SafeLink>;
      // Never fetched: a picture's address would tell its server who reads, and when, and what was said.
      case "image":
        return <SafeLink href={node.url}>{node.alt || "picture"}</SafeLink>;
      case "imageReference":
        return <SafeLink href={definitions.get(node.identifier)?.url}>{node.alt || "picture"}</SafeLink>;
      default:
        return null;
    }
  };
  return all(tree.children, 0);
}

function aligned(align: AlignType | undefined): { textAlign: "center" | "end" } | undefined {
  if (align === "center") return { textAlign: "center" };
  return align === "right" ? { textAlign: "end" } : undefined;
}

function Code({ text }: { text: string }) {
  return (
    <div className="group/code relative">
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
      <CopyButton
        name="Copy the code"
        text={() => text}
        className="absolute end-2 top-2 bg-surface opacity-0 focus-visible:opacity-100 group-hover/code:opacity-100 pointer-coarse:opacity-100"
      />
    </div>
  );
}
