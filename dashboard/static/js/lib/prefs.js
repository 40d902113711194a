/** What this browser remembers of the page: theme, layers, the view of the wall. Nothing secret, nothing that grows. */

const PREFIX = 'sightline.';

/** What was kept under a name, or `otherwise`. */
export function recall(name, otherwise) {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

/** Keep a value; without storage (a private window) it is forgotten with the page. */
export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    /* it is only comfort */
  }
}

/** Show the theme: 'light', 'dark', or 'auto' for the system's. */
export function useTheme(theme) {
  keep('theme', theme);
  if (theme === 'auto') {
    delete document.documentElement.dataset.theme;
  } else {
    document.documentElement.dataset.theme = theme;
  }
  dispatchEvent(new Event('themechange'));
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => dispatchEvent(new Event('themechange')));
