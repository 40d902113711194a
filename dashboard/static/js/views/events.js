/** Events: filtered, with thumbnails, new ones on top, older ones on demand; never more rows than a page can hold. */

import {get, withQuery} from '../lib/api.js';
import {cameras} from '../lib/cameras.js';
import {button, h, icon, replace, say} from '../lib/dom.js';
import {words} from '../lib/format.js';
import {on} from '../lib/live.js';
import {failed} from '../lib/notice.js';
import {note} from '../lib/router.js';
import {eventRow} from '../parts/event-row.js';
import {showEvent} from '../parts/event-dialog.js';
import {filters, withAll} from '../parts/filters.js';

const PAGE = 50;
const MOST_ROWS = 500;
const NAMES = ['camera', 'kind', 'rule', 'label', 'since', 'until'];

export async function view({query}, {signal}) {
  const [all, kinds] = await Promise.all([cameras(signal), rulesOf(signal)]);
  const own = {
    signal,
    state: Object.fromEntries(NAMES.map((name) => [name, query[name] ?? ''])),
    next: null,
    turn: 0,
    list: h('ul', {class: 'events', 'aria-label': 'Events, the newest first'}),
    said: h('p', {class: 'hint', role: 'status'}),
    csv: h('a', {class: 'button', download: ''}, icon('download'), h('span', null, 'CSV')),
  };
  own.more = button('Older events', {onclick: () => older(own).catch(failed)});
  const labels = [...new Set(all.flatMap((one) => one.labels ?? []))];
  const bar = filters(
    [
      {
        name: 'camera',
        label: 'Camera',
        options: withAll(
          all.map((one) => one.name),
          'All cameras',
          own.state.camera,
        ),
        value: own.state.camera,
      },
      {
        name: 'kind',
        label: 'Kind',
        options: withAll(kinds, 'All kinds', own.state.kind).map(([value, text]) => [value, words(text)]),
        value: own.state.kind,
      },
      {
        name: 'rule',
        label: 'Rule',
        options: withAll(await ruleNames(all, signal), 'All rules', own.state.rule),
        value: own.state.rule,
      },
      {name: 'label', label: 'Label', options: withAll(labels, 'All labels', own.state.label), value: own.state.label},
      {name: 'since', label: 'From', value: own.state.since},
      {name: 'until', label: 'Until', value: own.state.until},
    ],
    (values) => {
      Object.assign(own.state, values);
      note(['events'], own.state);
      load(own).catch(failed);
    },
  );
  await load(own);
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
      if (state === 'open') {
        load(own).catch(failed);
      }
    },
    signal,
  );
  const element = h(
    'div',
    null,
    h('div', {class: 'head'}, h('h1', null, 'Events'), h('span', {class: 'grow'}), own.csv),
    bar.element,
    own.said,
    own.list,
    h('div', {class: 'row middle-row'}, own.more),
  );
  return {title: 'Events', element};
}

const rulesOf = async (signal) => Object.keys(await get('/api/schema/rules', signal));

async function ruleNames(all, signal) {
  const answers = await Promise.all(
    all
      .slice(0, 16)
      .map((one) => get(`/api/cameras/${encodeURIComponent(one.name)}/rules`, signal).catch(() => ({rules: []}))),
  );
  return [...new Set(answers.flatMap((said) => said.rules.map((rule) => rule.name)))];
}

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
