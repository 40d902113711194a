/** One event as a row: thumbnail, what, where, when. */

import {h} from '../lib/dom.js';
import {dataLine, moment, words} from '../lib/format.js';

const SAID = ['line', 'zone', 'direction', 'at_pts_s', 'tripwire_crossings', 'frame_time'];

/** A list item; `open(event)` is called when its picture is wanted large. `short` leaves out what is known there. */
export function eventRow(event, open, short = false) {
  const place = event.data?.line ?? event.data?.zone ?? '';
  const what = [words(event.kind), event.label, place && words(place), event.data?.direction].filter(Boolean);
  const picture =
    event.thumbnail && event.id !== undefined
      ? h('img', {
          src: `/api/events/${encodeURIComponent(event.id)}/thumbnail`,
          alt: '',
          loading: 'lazy',
          decoding: 'async',
          width: 96,
          height: 54,
        })
      : h('span', {class: 'no-picture', 'aria-hidden': 'true'});
  const more = short ? '' : dataLine(event.data, SAID);
  return h(
    'li',
    {
      class: 'event',
      dataset: {kind: event.kind, ...(event.id === undefined || event.id === null ? {} : {id: event.id})},
    },
    h(
      'button',
      {
        type: 'button',
        class: 'event-open',
        onclick: () => open(event),
      },
      picture,
      h(
        'span',
        {class: 'event-what'},
        h(
          'span',
          {class: 'tags'},
          what.map((word, index) => h('span', {class: index ? '' : 'tag'}, word)),
        ),
        h(
          'span',
          {class: 'hint'},
          [
            short ? '' : event.camera,
            event.rule && event.rule !== event.kind ? words(event.rule) : '',
            event.track_id === null || event.track_id === undefined ? '' : `#${event.track_id}`,
          ]
            .filter(Boolean)
            .join(' · '),
          more ? ` · ${more}` : '',
        ),
      ),
      h('time', {datetime: new Date(event.at * 1000).toISOString()}, moment(event.at)),
    ),
  );
}
