export function WidgetView() {
  return <main />;
}
