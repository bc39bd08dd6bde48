import { View, ViewHead } from "@/components/ui/card";

export function HomeView() {
  return (
    <View>
      <ViewHead title="Welcome back" />
    </View>
  );
}
