export type Theme = "system" | "light" | "dark";

const NAME = "rekindle.theme";

/** The theme that was chosen on this device. */
export function chosenTheme(): Theme {
  const set = document.documentElement.dataset.theme;
  return set === "light" || set === "dark" ? set : "system";
}

/** Choose a theme; kept on this device. */
export function chooseTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem(NAME);
    else localStorage.setItem(NAME, theme);
  } catch {
    // Closed storage: it holds until the page is left.
  }
}
