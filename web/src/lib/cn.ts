import { type ClassValue, clsx } from "clsx";

/** Class names joined. Where a component's own is to give way, the other one says so with a `!`. */
export function cn(...classes: ClassValue[]): string {
  return clsx(classes);
}
