// Before the first paint, so that a chosen theme does not flash.
try {
  var chosen = localStorage.getItem("rekindle.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch (error) {
  // Storage is closed to frames on some sites: the system's theme it is.
}
