/** A short list under a name; nothing where there is none. */
export function Points({ name, points, className }: { name: string; points: string[] | undefined; className?: string }) {
  if (!points?.length) return null;
  return (
    <div className={className}>
      <h3 className="mb-1 font-medium text-muted text-xs">{name}</h3>
      <ul className="list-disc ps-5 marker:text-muted">
        {points.map((point) => (
          <li key={point} dir="auto" className="[overflow-wrap:anywhere]">
            {point}
          </li>
        ))}
      </ul>
    </div>
  );
}
