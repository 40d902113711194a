/** Choices above a list: they stand in the address, so that a link or the back button brings them again. */

import {now} from '../lib/clock.js';
import {field, h, select} from '../lib/dom.js';

const HOUR = 3600;

/** Spans of time with the step at which they are drawn, in seconds. */
export const RANGES = [
  ['15m', 'Last 15 minutes', HOUR / 4, 10],
  ['1h', 'Last hour', HOUR, 60],
  ['6h', 'Last 6 hours', 6 * HOUR, 300],
  ['24h', 'Last 24 hours', 24 * HOUR, 900],
  ['7d', 'Last 7 days', 168 * HOUR, 3 * HOUR],
  ['30d', 'Last 30 days', 720 * HOUR, 12 * HOUR],
];

/** `{since, until, step}` of a span that ends now, by the server's clock. */
export function spanOf(name) {
  const [, , seconds, step] = RANGES.find(([key]) => key === name) ?? RANGES[1];
  const until = Math.ceil(now() / step) * step;
  return {since: until - seconds, until, step};
}

/**
 * A row of choices.
 * @param choices `{name, label, options, value}` each; without options it is a field for a date and time.
 * @param changed `changed({name: value})` after each change.
 */
export function filters(choices, changed) {
  const controls = choices.map((choice) => {
    const control = choice.options
      ? select(choice.options, choice.value, {name: choice.name})
      : h('input', {type: 'datetime-local', name: choice.name, value: choice.value ?? '', step: 1});
    control.addEventListener('change', () => changed(values()));
    return [choice, control];
  });
  const values = () => Object.fromEntries(controls.map(([choice, control]) => [choice.name, control.value]));
  return {
    element: h(
      'form',
      {class: 'filters', role: 'search', onsubmit: (event) => event.preventDefault()},
      controls.map(([choice, control]) => field(choice.label, control)),
    ),
    values,
  };
}

/** Options of names with "all" before them; the value in use is always one of them. */
export function withAll(names, all, value) {
  const known = [...new Set([...names, ...(value ? [value] : [])])].sort();
  return [['', all], ...known.map((name) => [name, name])];
}
