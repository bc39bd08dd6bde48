import type { InfiniteData, UseInfiniteQueryResult } from "@tanstack/react-query";
import { Button } from "./button";
import { Spinner } from "./states";

/** The button at the end of a list that has more; nothing where it has not. */
export function More<T>({ list, what = "more" }: { list: UseInfiniteQueryResult<InfiniteData<T>>; what?: string }) {
  if (!list.hasNextPage) return null;
  return (
    <div className="mt-4 flex justify-center">
      <Button onClick={() => void list.fetchNextPage()} disabled={list.isFetchingNextPage}>
        {list.isFetchingNextPage && <Spinner />} Show {what}
      </Button>
    </div>
  );
}
