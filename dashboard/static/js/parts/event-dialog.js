/** An event with its picture and all that is known of it. */

import {h, table} from '../lib/dom.js';
import {ask} from '../lib/ask.js';
import {fullMoment, labelled, number, words} from '../lib/format.js';
import {session} from '../lib/session.js';

/** Show it until it is closed. */
export function showEvent(event) {
  const rows = [
    ['Camera', event.camera],
    ['Rule', words(event.rule)],
    ['Time', fullMoment(event.at)],
    ['Media time', `${number(event.pts_s, 2)} s`],
    ...(event.label ? [['Label', event.label]] : []),
    ...(event.track_id === null || event.track_id === undefined ? [] : [['Track', event.track_id]]),
    ...Object.entries(event.data ?? {}).map(([name, value]) => dataRow(name, value)),
  ];
  const known = table('What is known of the event', ['What', 'Value'], rows);
  return ask(words(event.kind), h('div', null, picture(event), known), [[null, 'Close']]);
}

/** In words; the key, as it is in the files and over MQTT, is what the pointer is told. */
function dataRow(name, value) {
  const [label, said] = labelled(name, value);
  return [h('span', {title: name}, label[0].toUpperCase() + label.slice(1)), said];
}

/** The picture, or why there is none. */
function picture(event) {
  if (!event.thumbnail) {
    return h('p', {class: 'note'}, withoutPicture(event));
  }
  const image = h('img', {
    class: 'event-picture',
    src: `/api/events/${encodeURIComponent(event.id)}/thumbnail`,
    alt: `The picture of this event, camera ${event.camera}`,
    onerror: () => image.replaceWith(h('p', {class: 'note'}, 'The picture of this event cannot be loaded any more.')),
  });
  return image;
}

function withoutPicture(event) {
  if (session.dashboard?.history === false) {
    return 'There are no pictures of events, for no history is kept (server.history of the site file).';
  }
  return event.id === undefined || event.id === null
    ? 'The picture of this event is not there yet; open the event again in a few seconds.'
    : 'There is no picture of this event: none was made, or it is not kept any more.';
}
