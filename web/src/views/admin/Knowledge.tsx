import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { FileText, RefreshCw } from "lucide-react";
import { useState } from "react";
import { held, type Schema } from "@/api/client";
import { useApi } from "@/api/house";
import { Problem } from "@/api/problem";
import { SafeLink } from "@/chat/SafeLink";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { More } from "@/components/ui/more";
import { Empty, Failure, Loading } from "@/components/ui/states";
import { Tab, TabList, TabPanel, Tabs } from "@/components/ui/tabs";
import { toast } from "@/components/ui/toast";
import { ago, exactly } from "@/lib/dates";
import { SearchField } from "./search";
import { Table } from "./table";

type Document = Schema<"DocumentOut">;

const PAGE = 50;

/** What assistants can look up: where it is from, its documents, and the links in them. */
export function Knowledge() {
  const [source, setSource] = useState<string | null>(null);
  const [tab, setTab] = useState("documents");
  return (
    <Tabs value={tab} onValueChange={setTab}>
      <TabList aria-label="Knowledge">
        <Tab value="documents">Documents</Tab>
        <Tab value="sources">Sources</Tab>
        <Tab value="links">Links</Tab>
      </TabList>
      <TabPanel value="documents">
        <Documents source={source} onAll={() => setSource(null)} />
      </TabPanel>
      <TabPanel value="sources">
        <Sources
          onOpen={(id) => {
            setSource(id);
            setTab("documents");
          }}
        />
      </TabPanel>
      <TabPanel value="links">
        <Links />
      </TabPanel>
    </Tabs>
  );
}

/** Reads a source again: only what has changed is brought in anew. */
function useReingest() {
  const api = useApi();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ source, document }: { source?: string; document?: string }) => {
      if (document) return held(api.http.POST("/api/v1/admin/knowledge/documents/{document_id}/reingest", { params: { path: { document_id: document } } }));
      return held(api.http.POST("/api/v1/admin/knowledge/sources/{source_id}/reingest", { params: { path: { source_id: source ?? "" } } }));
    },
    onSuccess: ({ status }) => {
      toast(status === "queued" ? "It will be read again" : "It waits to be read already");
      void queries.invalidateQueries({ queryKey: ["admin", "knowledge"] });
    },
    onError: (error) => toast(Problem.caught(error).message),
  });
}

function Documents({ source, onAll }: { source: string | null; onAll: () => void }) {
  const api = useApi();
  const reingest = useReingest();
  const [q, setQ] = useState("");
  const [open, setOpen] = useState<Document | null>(null);
  const documents = useInfiniteQuery({
    queryKey: ["admin", "knowledge", "documents", q, source],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      held(
        api.http.GET("/api/v1/admin/knowledge/documents", {
          params: { query: { limit: PAGE, ...(q ? { q } : {}), ...(source ? { source_id: source } : {}), ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    getNextPageParam: (last) => last.next ?? null,
  });
  const first = documents.data?.pages[0];
  const items = documents.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="grid grid-cols-1 gap-4">
      <div className="flex max-w-md">
        <SearchField label="Document" value={q} onSearch={setQ} />
      </div>
      <div className="flex flex-wrap items-center gap-2 text-muted text-sm">
        <p data-total>{first ? `${first.total.toLocaleString("en")} ${first.total === 1 ? "document" : "documents"}` : "…"}</p>
        {source && (
          <Button size="sm" onClick={onAll}>
            Of all sources
          </Button>
        )}
      </div>
      {documents.isPending && <Loading lines={5} />}
      {documents.isError && <Failure error={documents.error} onRetry={() => void documents.refetch()} />}
      {first && items.length === 0 && (
        <Empty icon={<FileText />} title={q ? "There is no such document" : "There is no knowledge yet"}>
          {!q && "`rekindle ingest FOLDER` (or an address) brings documents in."}
        </Empty>
      )}
      {items.length > 0 && (
        <Table name="Documents" heads={["Document", "Kind", "Pieces", "Links", "Changed", ""]}>
          {items.map((document) => (
            <tr key={document.id}>
              <th scope="row" className="max-w-96 font-normal">
                <button type="button" className="text-start text-accent-ink underline underline-offset-2 [overflow-wrap:anywhere]" dir="auto" onClick={() => setOpen(document)}>
                  {document.title}
                </button>{" "}
                {document.assistant && <Badge>{document.assistant}</Badge>}
                <span className="block truncate text-muted text-xs">{document.url ?? document.path}</span>
              </th>
              <td>{document.kind}</td>
              <td className="tabular-nums">
                {document.chunks}
                {document.embedded === 0 && document.chunks > 0 && <span className="text-muted text-xs"> · by words only</span>}
                {document.embedded > 0 && document.embedded < document.chunks && <span className="text-warn"> ({document.chunks - document.embedded} not embedded)</span>}
              </td>
              <td className="tabular-nums">{document.links}</td>
              <td className="whitespace-nowrap">
                <time dateTime={document.updated_at} title={exactly(document.updated_at)}>
                  {ago(document.updated_at)}
                </time>
              </td>
              <td>
                <Button size="sm" variant="quiet" disabled={reingest.isPending} onClick={() => reingest.mutate({ document: document.id })} aria-label={`Read again: ${document.title}`}>
                  <RefreshCw /> Read again
                </Button>
              </td>
            </tr>
          ))}
        </Table>
      )}
      <More list={documents} />
      {open && <Text document={open} onClose={() => setOpen(null)} />}
    </div>
  );
}

function Text({ document, onClose }: { document: Document; onClose: () => void }) {
  const api = useApi();
  const chunks = useInfiniteQuery({
    queryKey: ["admin", "knowledge", "chunks", document.id],
    initialPageParam: 0,
    queryFn: ({ pageParam }) =>
      held(
        api.http.GET("/api/v1/admin/knowledge/documents/{document_id}/chunks", {
          params: { path: { document_id: document.id }, query: { cursor: pageParam, limit: 20 } },
        }),
      ),
    getNextPageParam: (last) => (last.next ? Number(last.next) : null),
  });
  return (
    <Dialog open onOpenChange={(next) => next || onClose()} title={document.title} className="max-w-2xl!">
      {document.url && (
        <SafeLink href={document.url} className="text-accent-ink text-sm underline underline-offset-2 [overflow-wrap:anywhere]">
          {document.url}
        </SafeLink>
      )}
      {chunks.isPending && <Loading lines={4} />}
      {chunks.isError && <Failure error={chunks.error} onRetry={() => void chunks.refetch()} />}
      <ol className="grid grid-cols-1 gap-3">
        {chunks.data?.pages
          .flatMap((page) => page.items)
          .map((chunk) => (
            <li key={chunk.id} className="rounded-xl border border-line p-3 text-sm">
              {chunk.heading && <p className="mb-1 font-medium">{chunk.heading}</p>}
              <p dir="auto" className="whitespace-pre-wrap leading-relaxed [overflow-wrap:anywhere]">
                {chunk.content}
              </p>
            </li>
          ))}
      </ol>
      <More list={chunks} />
    </Dialog>
  );
}

/** What a source is doing, where its last run is not over. */
const COMING: Partial<Record<Schema<"SourceOut">["state"], string>> = { queued: "waits to be read", running: "is being read" };

function Sources({ onOpen }: { onOpen: (id: string) => void }) {
  const api = useApi();
  const reingest = useReingest();
  const sources = useInfiniteQuery({
    queryKey: ["admin", "knowledge", "sources"],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => held(api.http.GET("/api/v1/admin/knowledge/sources", { params: { query: { limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (last) => last.next ?? null,
    // What is being read is looked at again until it is read.
    refetchInterval: ({ state }) => (state.data?.pages.some((page) => page.items.some((source) => source.state in COMING)) ? 2000 : false),
  });
  const first = sources.data?.pages[0];
  const items = sources.data?.pages.flatMap((page) => page.items) ?? [];
  if (sources.isPending) return <Loading lines={4} />;
  if (sources.isError) return <Failure error={sources.error} onRetry={() => void sources.refetch()} />;
  return (
    <div className="grid grid-cols-1 gap-4">
      <p className="text-muted text-sm" data-total>
        {(first?.total ?? 0).toLocaleString("en")} {first?.total === 1 ? "source" : "sources"}
      </p>
      {items.length === 0 ? (
        <Empty icon={<FileText />} title="Nothing was brought in yet" />
      ) : (
        <Table name="Sources" heads={["Source", "Documents", "Last read", "Came to", ""]}>
          {items.map((source) => (
            <tr key={source.id}>
              <th scope="row" className="max-w-96 font-normal [overflow-wrap:anywhere]">
                {source.location} <Badge>{source.kind}</Badge> {source.assistant && <Badge>{source.assistant}</Badge>}
              </th>
              <td>
                <button type="button" className="text-accent-ink tabular-nums underline underline-offset-2" onClick={() => onOpen(source.id)}>
                  {source.documents}
                </button>
              </td>
              <td className="whitespace-nowrap">
                {COMING[source.state] ?? (source.finished_at ? ago(source.finished_at) : "stopped")} {source.state === "failed" && <Badge>failed</Badge>}
              </td>
              <td className="text-muted text-xs [overflow-wrap:anywhere]">
                {Object.entries(source.outcome)
                  .filter(([, value]) => typeof value === "number" || typeof value === "string")
                  .map(([name, value]) => `${name}: ${String(value)}`)
                  .join(", ")}
              </td>
              <td>
                <Button size="sm" disabled={reingest.isPending} onClick={() => reingest.mutate({ source: source.id })} aria-label={`Read again: ${source.location}`}>
                  <RefreshCw /> Read again
                </Button>
              </td>
            </tr>
          ))}
        </Table>
      )}
      <More list={sources} />
    </div>
  );
}

function Links() {
  const api = useApi();
  const [q, setQ] = useState("");
  const links = useInfiniteQuery({
    queryKey: ["admin", "knowledge", "links", q],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      held(api.http.GET("/api/v1/admin/knowledge/links", { params: { query: { limit: PAGE, ...(q ? { q } : {}), ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (last) => last.next ?? null,
  });
  const first = links.data?.pages[0];
  const items = links.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="grid grid-cols-1 gap-4">
      <div className="flex max-w-md">
        <SearchField label="Link" value={q} onSearch={setQ} />
      </div>
      <p className="text-muted text-sm" data-total>
        {first ? `${first.total.toLocaleString("en")} ${first.total === 1 ? "link" : "links"}` : "…"}
      </p>
      {links.isPending && <Loading lines={4} />}
      {links.isError && <Failure error={links.error} onRetry={() => void links.refetch()} />}
      {items.length > 0 && (
        <Table name="Links" heads={["Link", "In", ""]}>
          {items.map((link) => (
            <tr key={link.id}>
              <th scope="row" className="max-w-md font-normal">
                <span dir="auto">{link.text}</span>
                <SafeLink href={link.url} className="block truncate text-accent-ink text-xs underline underline-offset-2">
                  {link.url}
                </SafeLink>
              </th>
              <td dir="auto">{link.document_title}</td>
              <td>{link.target_id && <Badge tone="good">Known here</Badge>}</td>
            </tr>
          ))}
        </Table>
      )}
      <More list={links} />
    </div>
  );
}
