import { View, ViewHead } from "@/components/ui/card";

export function SearchView() {
  return (
    <View>
      <ViewHead title="Search" />
    </View>
  );
}
