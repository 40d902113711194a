/** Events: filtered, with thumbnails, new ones on top, older ones on demand; never more rows than a page can hold. */

import {get, part, withQuery} from '../lib/api.js';
import {cameras} from '../lib/cameras.js';
import {button, h, icon, say, turnOff} from '../lib/dom.js';
import {words, zoned} from '../lib/format.js';
import {failed} from '../lib/notice.js';
import {note} from '../lib/router.js';
import {session} from '../lib/session.js';
import {eventList} from '../parts/event-list.js';
import {filters, withAll} from '../parts/filters.js';

const PAGE = 50;
const MOST_ROWS = 500;
const MOST_ASKED = 32; // cameras whose rules are asked for, for the choices
const NAMES = ['camera', 'kind', 'rule', 'label', 'since', 'until'];

export async function view({query}, {signal}) {
  const own = {
    signal,
    state: Object.fromEntries(NAMES.map((name) => [name, query[name] ?? ''])),
    said: h('p', {class: 'hint', role: 'status'}),
    count: h('p', {class: 'hint'}), // no status: it changes with every event
    csv: h('a', {class: 'button', download: 'events.csv'}, icon('download'), h('span', null, 'CSV')),
  };
  const head = h('div', {class: 'head'}, h('h1', null, 'Events'), h('span', {class: 'grow'}), own.csv);
  if (session.dashboard?.history === false) {
    own.csv.hidden = true;
    return {
      title: 'Events',
      element: h('div', null, head, h('p', {class: 'empty'}, 'No history is kept (server.history of the site file).')),
    };
  }
  own.list = eventList(
    {
      asked: () => asked(own),
      fits: (event) => fits(own, event),
      page: PAGE,
      most: MOST_ROWS,
      short: false,
      changed: () => tell(own),
    },
    signal,
  );
  own.more = button('Older events', {onclick: () => older(own).catch(failed)});
  own.newest = button('Newest events', {hidden: true, onclick: () => load(own).catch(failed)});
  const [bar] = await Promise.all([choices(own), load(own)]);
  const foot = h('div', {class: 'row middle-row'}, own.more, own.newest);
  return {
    title: 'Events',
    element: h('div', null, head, bar, own.said, own.count, own.list.element, foot, h('p', {class: 'hint'}, zoned())),
  };
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

/** Load the list, or say in its place why there is none: what happens from now on comes all the same. */
async function load(own) {
  own.csv.href = withQuery('/api/events.csv', asked(own));
  try {
    await own.list.load();
  } catch (error) {
    if (error.name === 'AbortError') {
      throw error;
    }
    own.list.clear();
    say(own.said, `The history cannot be read: ${error.message}`);
  }
}

async function older(own) {
  turnOff(own.more);
  try {
    await own.list.older();
  } finally {
    turnOff(own.more, false);
    if (own.more.hidden) {
      own.list.element.lastChild?.querySelector('button').focus(); // it had the focus
    }
  }
}

function fits(own, event) {
  const {since, until} = asked(own);
  const same = ['camera', 'kind', 'rule', 'label'].every((name) => !own.state[name] || own.state[name] === event[name]);
  return same && (!since || event.at >= since) && (!until || event.at <= until);
}

function tell(own) {
  const {next, cut, element} = own.list;
  const shown = element.children.length;
  own.more.hidden = next === null;
  own.newest.hidden = !cut;
  const more = [next === null ? '' : 'there are older ones', cut ? 'newer ones are left out' : ''].filter(Boolean);
  say(own.said, shown ? '' : 'No event fits these choices.');
  say(own.count, shown ? [`${shown} shown`, ...more].join(', ') : '');
}
