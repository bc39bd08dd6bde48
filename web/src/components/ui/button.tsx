import { cva, type VariantProps } from "class-variance-authority";
import { Slot } from "radix-ui";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

const look = cva(
  "inline-flex shrink-0 select-none items-center justify-center gap-2 whitespace-nowrap rounded-lg font-medium transition-colors disabled:pointer-events-none disabled:opacity-50 [&_svg]:size-4 [&_svg]:shrink-0",
  {
    variants: {
      variant: {
        solid: "bg-accent text-on-accent hover:bg-accent-hover",
        outline: "border border-line bg-surface text-ink hover:bg-sunken",
        ghost: "text-ink hover:bg-ink/7",
        quiet: "text-muted hover:bg-ink/7 hover:text-ink",
        danger: "bg-danger text-paper hover:opacity-90",
        link: "h-auto! px-0! text-accent-ink underline underline-offset-2 hover:text-accent",
      },
      size: {
        md: "h-9 px-3.5 text-sm",
        sm: "h-8 px-2.5 text-[0.8125rem]",
        lg: "h-11 px-5 text-[0.9375rem]",
        icon: "size-9",
        "icon-sm": "size-8",
      },
    },
    defaultVariants: { variant: "outline", size: "md" },
  },
);

type Props = ComponentProps<"button"> & VariantProps<typeof look> & { asChild?: boolean };

/** A button. One that shows an icon only needs an `aria-label`. `asChild` gives its looks to a link. */
export function Button({ className, variant, size, asChild, type = "button", ...rest }: Props) {
  const Tag = asChild ? Slot.Root : "button";
  return <Tag type={asChild ? undefined : type} className={cn(look({ variant, size }), className)} {...rest} />;
}
