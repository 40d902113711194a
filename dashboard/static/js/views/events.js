/** Events: filtered, with thumbnails, new ones on top, older ones on demand; never more rows than a page can hold. */

import {get, part, withQuery} from '../lib/api.js';
import {cameras} from '../lib/cameras.js';
import {button, h, icon, replace, say} from '../lib/dom.js';
import {words} from '../lib/format.js';
import {on} from '../lib/live.js';
import {failed} from '../lib/notice.js';
import {note} from '../lib/router.js';
import {session} from '../lib/session.js';
import {eventRow} from '../parts/event-row.js';
import {showEvent} from '../parts/event-dialog.js';
import {filters, withAll} from '../parts/filters.js';

const PAGE = 50;
const MOST_ROWS = 500;
const MOST_ASKED = 32; // cameras whose rules are asked for, for the choices
const NAMES = ['camera', 'kind', 'rule', 'label', 'since', 'until'];

export async function view({query}, {signal}) {
  const own = {
    signal,
    next: null,
    turn: 0,
    state: Object.fromEntries(NAMES.map((name) => [name, query[name] ?? ''])),
    list: h('ul', {class: 'events', 'aria-label': 'Events, the newest first'}),
    said: h('p', {class: 'hint', role: 'status'}),
    csv: h('a', {class: 'button', download: 'events.csv'}, icon('download'), h('span', null, 'CSV')),
  };
  own.more = button('Older events', {onclick: () => older(own).catch(failed)});
  const head = h('div', {class: 'head'}, h('h1', null, 'Events'), h('span', {class: 'grow'}), own.csv);
  if (session.dashboard?.history === false) {
    own.csv.hidden = true;
    return {
      title: 'Events',
      element: h('div', null, head, h('p', {class: 'empty'}, 'No history is kept (server.history of the site file).')),
    };
  }
  const [bar] = await Promise.all([choices(own), load(own)]);
  on(
    'event',
    (event) => {
      if (fits(own, event)) {
        put(own, event);
      }
    },
    signal,
  );
  on(
    'state',
    (state) => {
      if (state === 'open' && own.list.children.length <= PAGE) {
        load(own).catch(failed);
      }
    },
    signal,
  );
  const element = h('div', null, head, bar, own.said, own.list, h('div', {class: 'row middle-row'}, own.more));
  return {title: 'Events', element};
}

/** What can be chosen: what the cameras have now, and what is in use in the address. */
async function choices(own) {
  const {signal, state} = own;
  const [all, counts] = await Promise.all([cameras(signal), get('/api/counts', signal)]);
  const rules = (await Promise.all(all.slice(0, MOST_ASKED).map((one) => rulesOf(one.name, signal)))).flat();
  const labels = [
    ...counts.counts.map((one) => one.label).filter(Boolean),
    ...rules.flatMap((rule) => rule.labels ?? []),
  ];
  const choice = (name, label, options) => ({name, label, options, value: state[name]});
  const spoken = (options) => options.map(([value, text]) => [value, words(text)]);
  const made = filters(
    [
      choice(
        'camera',
        'Camera',
        withAll(
          all.map((one) => one.name),
          'All cameras',
          state.camera,
        ),
      ),
      choice(
        'kind',
        'Kind',
        spoken(
          withAll(
            rules.map((rule) => rule.kind),
            'All kinds',
            state.kind,
          ),
        ),
      ),
      choice(
        'rule',
        'Rule',
        spoken(
          withAll(
            rules.map((rule) => rule.name),
            'All rules',
            state.rule,
          ),
        ),
      ),
      choice('label', 'Label', withAll(labels, 'All labels', state.label)),
      choice('since', 'From'),
      choice('until', 'Until'),
    ],
    (values) => {
      Object.assign(state, values);
      note(['events'], state);
      load(own).catch(failed);
    },
  );
  return made.element;
}

const rulesOf = async (camera, signal) =>
  (await get(`/api/cameras/${part(camera)}/rules`, signal).catch(() => ({rules: []}))).rules;

/** What the server is asked: times of this browser become Unix seconds. */
function asked(own) {
  const {since, until, ...rest} = own.state;
  const seconds = (text) => (text ? new Date(text).getTime() / 1000 : '');
  return {...rest, since: seconds(since), until: seconds(until)};
}

async function load(own) {
  own.turn += 1;
  const turn = own.turn;
  own.csv.href = withQuery('/api/events.csv', asked(own));
  const said = await get(withQuery('/api/events', {...asked(own), limit: PAGE}), own.signal);
  if (turn !== own.turn || own.signal.aborted) {
    return;
  }
  own.next = said.next ?? null;
  replace(
    own.list,
    said.events.map((event) => eventRow(event, showEvent)),
  );
  tell(own);
}

async function older(own) {
  const turn = own.turn;
  own.more.disabled = true;
  try {
    const said = await get(withQuery('/api/events', {...asked(own), before: own.next, limit: PAGE}), own.signal);
    if (turn !== own.turn) {
      return;
    }
    own.next = said.next ?? null;
    own.list.append(...said.events.map((event) => eventRow(event, showEvent)));
    while (own.list.children.length > MOST_ROWS) {
      own.list.firstChild.remove();
    }
  } finally {
    own.more.disabled = false;
    tell(own);
  }
}

/** A new event on top; one that is there already (it came with the list) is not shown twice. */
function put(own, event) {
  const row = eventRow(event, showEvent);
  if (event.id !== undefined && event.id !== null) {
    if ([...own.list.children].slice(0, PAGE).some((one) => one.dataset.id === String(event.id))) {
      return;
    }
  }
  row.classList.add('new');
  own.list.prepend(row);
  while (own.list.children.length > MOST_ROWS) {
    own.list.lastChild.remove();
  }
  tell(own);
}

function fits(own, event) {
  const {since, until} = asked(own);
  const same = ['camera', 'kind', 'rule', 'label'].every((name) => !own.state[name] || own.state[name] === event[name]);
  return same && (!since || event.at >= since) && (!until || event.at <= until);
}

function tell(own) {
  const shown = own.list.children.length;
  own.more.hidden = own.next === null;
  say(
    own.said,
    shown ? `${shown} shown${own.next === null ? '' : ', there are older ones'}` : 'No event fits these choices.',
  );
}
