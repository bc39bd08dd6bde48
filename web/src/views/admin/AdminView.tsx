import { View, ViewHead } from "@/components/ui/card";

export function AdminView() {
  return (
    <View wide>
      <ViewHead title="Administration" />
    </View>
  );
}
