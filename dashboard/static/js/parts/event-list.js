/** A list of events that follows the site: new ones on top at once, their pictures when the history has them. */

import {get, withQuery} from '../lib/api.js';
import {h, replace} from '../lib/dom.js';
import {live, on} from '../lib/live.js';
import {failed} from '../lib/notice.js';
import {showEvent} from './event-dialog.js';
import {eventRow} from './event-row.js';

const SETTLED_MS = 7000; // the history writes every five seconds

/**
 * A list.
 * @param options `{asked(), fits(event), page, most, short, changed(list)}`: what the server is asked, which new events
 *   belong here, rows of a page, rows at most, whether the camera is known, what to do after each change.
 * @return `{element, load(), older(), clear(), next, cut}`: `next` is where older ones begin, `null` where there are
 *   none; `cut` whether newer ones were left out to make room for older ones: then none comes by itself until `load()`.
 */
export function eventList(options, signal) {
  const own = {
    ...options,
    signal,
    turn: 0,
    next: null,
    cut: false,
    missed: live.state !== 'open', // events may have been, since the history was asked last
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
      } else {
        own.missed = true;
      }
    },
    signal,
  );
  signal.addEventListener('abort', () => clearTimeout(timer));
  own.load = () => load(own);
  own.older = () => older(own);
  own.clear = () => show(own, {events: [], next: null});
  return own;
}

const keyOf = (event) => [event.camera, event.rule, event.track_id, Math.round(event.at * 1000), event.pts_s].join('|');

function row(own, event) {
  const open = async () => {
    await showEvent(event);
    if (document.activeElement === document.body) {
      shown(own).get(keyOf(event))?.querySelector('button')?.focus(); // the row was exchanged meanwhile
    }
  };
  const made = eventRow(event, open, own.short);
  made.dataset.key = keyOf(event);
  made.dataset.at = event.at;
  return made;
}

async function ask(own, more = {}) {
  return get(withQuery('/api/events', {...own.asked(), limit: own.page, ...more}), own.signal);
}

async function load(own) {
  own.turn += 1;
  const {turn} = own;
  const said = await ask(own);
  if (turn === own.turn && !own.signal.aborted) {
    show(own, said);
  }
}

function show(own, {events, next}) {
  const focused = document.activeElement?.closest?.('.event')?.dataset.key;
  own.turn += 1; // what is asked for still belongs to the list of before
  own.next = next;
  own.cut = false;
  replace(
    own.element,
    events.map((event) => row(own, event)),
  );
  if (focused) {
    shown(own).get(focused)?.querySelector('button')?.focus({preventScroll: true});
  }
  own.changed(own);
}

async function older(own) {
  const {turn} = own;
  const said = await ask(own, {before: own.next});
  if (turn !== own.turn) {
    return;
  }
  const there = shown(own);
  own.next = said.next;
  own.element.append(...said.events.filter((event) => !there.has(keyOf(event))).map((event) => row(own, event)));
  while (own.element.children.length > own.most) {
    own.element.firstChild.remove();
    own.cut = true; // a new one on top would leave a hole
  }
  own.changed(own);
}

/** A new one on top, unless it is there already. */
function put(own, event) {
  if (own.cut || shown(own).has(keyOf(event))) {
    return;
  }
  const made = row(own, event);
  made.classList.add('new');
  own.element.prepend(made);
  trim(own);
  own.changed(own);
}

/** No more than the most; what is left out is where older ones begin. */
function trim(own) {
  while (own.element.children.length > own.most) {
    own.element.lastChild.remove();
    const {id} = own.element.lastChild.dataset;
    own.next = id === undefined ? own.next : Number(id);
  }
}

/** What was missed, at its place in time. */
function insert(own, event) {
  const made = row(own, event);
  const behind = [...own.element.children].find((one) => Number(one.dataset.at) < event.at);
  made.classList.add('new');
  own.element.insertBefore(made, behind ?? null);
}

function shown(own) {
  return new Map([...own.element.children].map((one) => [one.dataset.key, one]));
}

/**
 * Take what the history has by now: pictures of rows that have none, and what was missed. Where the stream was interrupted
 * and more was missed than a page holds (nothing of it is in the list from the history already), the list begins anew.
 */
async function settle(own) {
  if (own.cut) {
    return;
  }
  const {turn, missed} = own;
  own.missed = false; // until the stream is interrupted again
  let said = null;
  try {
    said = await ask(own);
  } finally {
    own.missed ||= missed && (said === null || turn !== own.turn);
  }
  if (turn !== own.turn || own.signal.aborted || own.cut) {
    return;
  }
  const there = shown(own);
  const settled = [...there.values()].some((one) => one.dataset.id);
  const known = said.events.some((event) => there.get(keyOf(event))?.dataset.id);
  if (missed && settled && !known && said.next !== null) {
    show(own, said);
    return;
  }
  for (const event of said.events) {
    const old = there.get(keyOf(event));
    if (!old) {
      insert(own, event);
    } else if (!old.dataset.id) {
      exchange(old, row(own, event));
    }
  }
  own.next = settled ? own.next : said.next;
  trim(own);
  own.changed(own);
}

function exchange(old, made) {
  const isFocused = old.contains(document.activeElement);
  old.replaceWith(made);
  if (isFocused) {
    made.querySelector('button').focus({preventScroll: true});
  }
}
