import { View, ViewHead } from "@/components/ui/card";

export function MemoryView() {
  return (
    <View>
      <ViewHead title="What I remember" />
    </View>
  );
}
