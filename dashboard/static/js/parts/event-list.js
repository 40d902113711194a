/** A list of events that follows the site: new ones on top at once, their pictures when the history has them. */

import {get, withQuery} from '../lib/api.js';
import {h, replace} from '../lib/dom.js';
import {on} from '../lib/live.js';
import {failed} from '../lib/notice.js';
import {showEvent} from './event-dialog.js';
import {eventRow} from './event-row.js';

const SETTLED_MS = 7000; // the history writes every five seconds
const WITHIN = 200; // rows among which one that is there already is looked for

/**
 * A list.
 * @param options `{asked(), fits(event), page, most, short, changed(list)}`: what the server is asked, which new events
 *   belong here, rows of a page, rows at most, whether the camera is known, what to do after each change.
 * @return `{element, load(), older(), next}`.
 */
export function eventList(options, signal) {
  const own = {
    ...options,
    signal,
    turn: 0,
    next: null,
    element: h('ul', {class: `events${options.short ? ' short' : ''}`, 'aria-label': 'Events, the newest first'}),
  };
  let timer = null;
  on(
    'event',
    (event) => {
      if (!own.fits(event)) {
        return;
      }
      put(own, event);
      timer ??= setTimeout(() => {
        timer = null;
        settle(own).catch(() => {});
      }, SETTLED_MS);
    },
    signal,
  );
  on(
    'state',
    (state) => {
      if (state === 'open') {
        settle(own).catch(failed);
      }
    },
    signal,
  );
  signal.addEventListener('abort', () => clearTimeout(timer));
  own.load = () => load(own);
  own.older = () => older(own);
  return own;
}

const keyOf = (event) => [event.camera, event.rule, event.track_id, Math.round(event.at * 1000), event.pts_s].join('|');

function row(own, event) {
  const made = eventRow(event, showEvent, own.short);
  made.dataset.key = keyOf(event);
  return made;
}

async function ask(own, more = {}) {
  return get(withQuery('/api/events', {...own.asked(), limit: own.page, ...more}), own.signal);
}

async function load(own) {
  own.turn += 1;
  const {turn} = own;
  const said = await ask(own);
  if (turn !== own.turn || own.signal.aborted) {
    return;
  }
  own.next = said.next;
  replace(
    own.element,
    said.events.map((event) => row(own, event)),
  );
  own.changed(own);
}

async function older(own) {
  const {turn} = own;
  const said = await ask(own, {before: own.next});
  if (turn !== own.turn) {
    return;
  }
  own.next = said.next;
  own.element.append(...said.events.map((event) => row(own, event)));
  while (own.element.children.length > own.most) {
    own.element.firstChild.remove();
  }
  own.changed(own);
}

/** A new one on top, unless it is there already. */
function put(own, event) {
  if (shown(own).has(keyOf(event))) {
    return;
  }
  const made = row(own, event);
  made.classList.add('new');
  own.element.prepend(made);
  while (own.element.children.length > own.most) {
    own.element.lastChild.remove();
  }
  own.changed(own);
}

function shown(own) {
  return new Map([...own.element.children].slice(0, WITHIN).map((one) => [one.dataset.key, one]));
}

/** Take what the history has by now: pictures of rows that have none, and what was missed. */
async function settle(own) {
  const {turn} = own;
  const said = await ask(own);
  if (turn !== own.turn || own.signal.aborted) {
    return;
  }
  const there = shown(own);
  for (const event of said.events.toReversed()) {
    const old = there.get(keyOf(event));
    if (old && !old.dataset.id && !old.contains(document.activeElement)) {
      old.replaceWith(row(own, event));
    }
    if (!old) {
      put(own, event);
    }
  }
}
