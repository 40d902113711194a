'use strict';
// Before anything is painted: the theme that was chosen, so that the page does not flash in the other one.
try {
  const chosen = localStorage.getItem('sightline.theme');
  if (chosen === '"light"' || chosen === '"dark"') {
    document.documentElement.dataset.theme = JSON.parse(chosen);
  }
} catch {
  /* no storage: the system's theme */
}
