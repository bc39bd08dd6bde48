import { Button } from "@/components/ui/button";
import { cn } from "@/lib/cn";

/** Questions to begin with; a click asks one. */
export function Suggestions({ questions, onAsk, className }: { questions: readonly string[]; onAsk: (question: string) => void; className?: string }) {
  if (questions.length === 0) return null;
  return (
    <ul className={cn("flex flex-wrap gap-2", className)}>
      {questions.map((question) => (
        <li key={question}>
          <Button size="sm" className="h-auto! whitespace-normal! py-1.5! text-start" dir="auto" onClick={() => onAsk(question)}>
            {question}
          </Button>
        </li>
      ))}
    </ul>
  );
}
