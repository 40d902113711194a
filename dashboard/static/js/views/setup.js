/** Setting a camera up: lines, zones and calibration; scenario and rules; the switch of its runtime is in Frameworks. */

import {cameras, chosen} from '../lib/cameras.js';
import {field, h, select} from '../lib/dom.js';
import {go, to} from '../lib/router.js';
import {SiteFile} from '../parts/saving.js';

const TABS = [
  ['lines', 'Lines and zones'],
  ['rules', 'Scenario and rules'],
];

export async function view({parts}, context) {
  const {signal} = context;
  const [all, file] = await Promise.all([cameras(signal), new SiteFile().load(signal)]);
  const camera = chosen(all, parts[0]);
  if (!camera) {
    return {
      title: 'Setup',
      element: h('div', null, h('h1', null, 'Setup'), h('p', {class: 'empty'}, 'The site file names no camera.')),
    };
  }
  const tab = TABS.some(([name]) => name === parts[1]) ? parts[1] : 'lines';
  const choice = select(
    all.map((one) => one.name),
    camera.name,
    {onchange: () => go(['setup', choice.value, tab]), 'aria-label': 'Camera'},
  );
  const stay = () => {
    choice.value = camera.name;
  };
  addEventListener('stayed', stay, {signal});
  const body =
    tab === 'lines'
      ? (await import('../editor/editor.js')).editor(
          camera,
          all.map((one) => one.name),
          file,
          context,
        )
      : await (await import('./rules.js')).rulesEditor(camera, file, context);
  const element = h(
    'div',
    null,
    h(
      'div',
      {class: 'head'},
      h('h1', null, 'Setup'),
      field('Camera', choice),
      h('span', {class: 'grow'}),
      h(
        'nav',
        {class: 'tabs', 'aria-label': 'Parts of the setup'},
        TABS.map(([name, title]) =>
          h('a', {href: to(['setup', camera.name, name]), 'aria-current': name === tab ? 'page' : null}, title),
        ),
      ),
    ),
    body,
  );
  return {title: `Setup of ${camera.name}`, element};
}
