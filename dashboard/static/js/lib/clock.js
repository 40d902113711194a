/** The server's clock: events and counts have its times, and the clock of this browser may be wrong. */

const SLACK_S = 3; // the header has whole seconds, and answers take a while
let ahead = 0;

/**
 * Take what an answer says of the time.
 * @param date The `Date` header; nothing is taken from an answer without one.
 */
export function heard(date) {
  const at = Date.parse(date ?? '') / 1000;
  if (Number.isFinite(at)) {
    const found = at - Date.now() / 1000;
    ahead = Math.abs(found) > SLACK_S ? found : 0;
  }
}

/** Unix seconds. */
export const now = () => Date.now() / 1000 + ahead;
