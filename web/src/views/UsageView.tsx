import { View, ViewHead } from "@/components/ui/card";

export function UsageView() {
  return (
    <View>
      <ViewHead title="My usage" />
    </View>
  );
}
