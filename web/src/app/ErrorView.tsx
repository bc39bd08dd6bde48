import { type ErrorComponentProps, Link, useRouter } from "@tanstack/react-router";
import { Compass, TriangleAlert } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Empty } from "@/components/ui/states";

/** A view broke, or its file is gone since a new version is served. */
export function ErrorView({ error }: ErrorComponentProps) {
  const words = error instanceof Error ? error.message : String(error);
  const router = useRouter();
  const stale = /import|module script|preload/i.test(words);
  return (
    <div className="grid h-full place-items-center p-6">
      <Empty
        heading="h1"
        icon={<TriangleAlert />}
        title={stale ? "There is a newer version of this page" : "This view cannot be shown"}
        actions={
          <>
            <Button variant="solid" onClick={() => (stale ? location.reload() : void router.invalidate())}>
              {stale ? "Reload" : "Try again"}
            </Button>
            <Button asChild>
              <Link to="/">Home</Link>
            </Button>
          </>
        }
      >
        {stale ? "Nothing is lost: what you have written is kept." : words}
      </Empty>
    </div>
  );
}

export function NotFoundView() {
  return (
    <div className="grid h-full place-items-center p-6">
      <Empty
        heading="h1"
        icon={<Compass />}
        title="There is nothing here"
        actions={
          <Button asChild variant="solid">
            <Link to="/">Home</Link>
          </Button>
        }
      >
        The address may be mistyped, or what was here is gone.
      </Empty>
    </div>
  );
}
