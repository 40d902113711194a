/** Cameras as the server tells them, and what several views say of one. */

import {get, post, part, withQuery} from './api.js';
import {h, say} from './dom.js';

const KINDS = {online: 'ok', degraded: 'warn', offline: 'bad', disabled: 'off', connecting: 'off'};

/** All cameras, in the order of the site file. */
export const cameras = async (signal) => (await get('/api/cameras', signal)).cameras;

/** Switch detection or the camera itself. */
export const command = (camera, name, on) => post(`/api/cameras/${part(camera)}/commands`, {command: name, on});

/** Address of one picture. */
export const stillPath = (camera, query) => withQuery(`/api/cameras/${part(camera)}/still`, query);

/** Address of the stream. */
export const livePath = (camera, query) => withQuery(`/api/cameras/${part(camera)}/live`, query);

/** A status as dot and word; `update(status)` changes it. */
export function statusPill(status) {
  const text = h('span');
  const element = h('span', {class: 'pill'}, h('span', {class: 'dot'}), text);
  const update = (name) => {
    element.dataset.kind = KINDS[name] ?? 'off';
    say(text, name ?? 'unknown');
  };
  update(status);
  return {element, update};
}

/** Points of `{name: {points}}` or `{name: points}`. */
export const pointsOf = (place) => place?.points ?? place;

/** What a counter is called: its place, its direction, its label. */
export function counterName(one) {
  return [one.place, one.direction, one.label]
    .filter(Boolean)
    .map((word) => String(word).replaceAll('_', ' '))
    .join(' · ');
}

/** The camera that the address names, or the first. */
export function chosen(all, name) {
  return all.find((camera) => camera.name === name) ?? all[0] ?? null;
}
