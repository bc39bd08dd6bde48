/** The mark of the product. */
export function Logo({ className = "size-6" }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" className={className} aria-hidden="true">
      <rect width="32" height="32" rx="9" fill="#b4431a" />
      <path d="M16 6c.8 3.500 6 6.200 6 11.700a6 6 0 0 1-12 0c0-2.400 1-4 2.200-5.200.3 1.600 1 2.500 2 2.900-.5-3.300.1-6.900 1.800-9.400z" fill="#fff" />
    </svg>
  );
}
