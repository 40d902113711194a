/** Which layers are drawn into the pictures; this browser remembers. */

import {h} from '../lib/dom.js';
import {keep, recall} from '../lib/prefs.js';

const LAYERS = [
  ['boxes', 'Boxes'],
  ['tracks', 'Tracks'],
  ['lines', 'Lines'],
  ['zones', 'Zones'],
  ['heatmap', 'Heatmap'],
  ['blur', 'Blur'],
];
const FIRST = ['boxes', 'tracks', 'lines', 'zones'];

/** Switches; `changed()` is called after each. `text()` is what the server is asked for. */
export function layersControl(changed) {
  const names = LAYERS.map(([name]) => name);
  let shown = recall('layers', FIRST).filter((name) => names.includes(name));
  const element = h(
    'fieldset',
    {class: 'layers'},
    h('legend', {class: 'unseen'}, 'Layers'),
    LAYERS.map(([name, title]) =>
      h(
        'label',
        {class: 'chip'},
        h('input', {
          type: 'checkbox',
          name,
          checked: shown.includes(name),
          onchange: (event) => {
            shown = names.filter((one) => (one === name ? event.target.checked : shown.includes(one)));
            keep('layers', shown);
            changed();
          },
        }),
        h('span', null, title),
      ),
    ),
  );
  return {element, text: () => shown.join(',') || 'none'};
}
