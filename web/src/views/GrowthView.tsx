import { View, ViewHead } from "@/components/ui/card";

export function GrowthView() {
  return (
    <View>
      <ViewHead title="Growth" />
    </View>
  );
}
