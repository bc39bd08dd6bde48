// Before the first paint, so that a chosen theme does not flash. A site chooses for the widget that stands on it.
try {
  var asked = location.pathname === "/widget" && new URLSearchParams(location.search).get("theme");
  var chosen = asked || localStorage.getItem("rekindle.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch (error) {
  // Storage is closed to frames on some sites: the system's theme it is.
}
