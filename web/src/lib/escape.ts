/** Whether Esc was pressed for whoever hears of it: not to end a composition, nor what an open menu or dialog takes. */
export function isEscape(event: KeyboardEvent): boolean {
  if (event.key !== "Escape" || event.shiftKey || event.isComposing || event.defaultPrevented) return false;
  return document.querySelector("[role=dialog],[role=alertdialog],:popover-open") === null;
}
