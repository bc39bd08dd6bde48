import { View } from "@/components/ui/card";

export function SessionView() {
  return <View />;
}
