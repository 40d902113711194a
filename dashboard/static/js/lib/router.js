/** Views by the hash: `#/events?camera=gate`. A view is a function of its parts, its query and a signal that ends it. */

/** What stands in the address: `{parts: ['events'], query: {camera: 'gate'}}`. */
export function here() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  return {
    parts: path.split('/').filter(Boolean).map(decode),
    query: Object.fromEntries(new URLSearchParams(query ?? '')),
  };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a view. */
export function to(parts, query = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  const text = new URLSearchParams(pairs).toString();
  return `#/${parts.map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`;
}

/** Go there. */
export function go(parts, query) {
  location.hash = to(parts, query);
}

/** Write the query into the address without opening the view anew; back leads to the view before. */
export function note(parts, query) {
  history.replaceState(null, '', to(parts, query));
}

/**
 * Show views as the address changes.
 * @param open `async (place, signal)`: shows what belongs there; `signal` aborts when another view is opened.
 */
export function start(open) {
  let ending = new AbortController();
  let guard = null;
  const show = () => {
    ending.abort();
    ending = new AbortController();
    open(here(), ending.signal);
  };
  const unsaved = () => guard?.unsaved() ?? false;
  const mayLeave = () => !unsaved() || confirm(guard.question);
  let shown = location.hash;
  addEventListener('hashchange', () => {
    if (location.hash === '#main') {
      // the link that skips the navigation
      history.replaceState(null, '', shown);
      document.getElementById('main').focus();
      return;
    }
    if (!mayLeave()) {
      history.replaceState(null, '', shown);
      dispatchEvent(new CustomEvent('stayed'));
      return;
    }
    guard = null;
    shown = location.hash;
    show();
  });
  addEventListener('beforeunload', (event) => {
    if (unsaved()) {
      event.preventDefault();
    }
  });
  show();
  return {
    again: show,
    /** Whether something in the view would be lost with it. */
    unsaved,
    /** Whether the view may be left; asks where something would be lost. Where it stays, the window hears `stayed`. */
    mayLeave,
    /** Ask this question before the view is left while `isUnsaved()`. */
    guard(isUnsaved, question, signal) {
      const mine = {unsaved: isUnsaved, question};
      guard = mine;
      signal.addEventListener('abort', () => {
        if (guard === mine) {
          guard = null;
        }
      });
    },
  };
}
