/** An event with its picture and all that is known of it. */

import {h, table} from '../lib/dom.js';
import {ask} from '../lib/ask.js';
import {fullMoment, number, scalar, words} from '../lib/format.js';

/** Show it until it is closed. */
export function showEvent(event) {
  const rows = [
    ['Camera', event.camera],
    ['Rule', event.rule],
    ['Time', fullMoment(event.at)],
    ['Media time', `${number(event.pts_s, 2)} s`],
    ...(event.label ? [['Label', event.label]] : []),
    ...(event.track_id === null || event.track_id === undefined ? [] : [['Track', event.track_id]]),
    ...Object.entries(event.data ?? {}).map(([name, value]) => [words(name), scalar(value)]),
  ];
  const picture = event.thumbnail
    ? h('img', {
        class: 'event-picture',
        src: `/api/events/${encodeURIComponent(event.id)}/thumbnail`,
        alt: `The picture of this event, camera ${event.camera}`,
      })
    : null;
  return ask(words(event.kind), h('div', null, picture, table('What is known of the event', ['What', 'Value'], rows)), [
    [null, 'Close'],
  ]);
}
