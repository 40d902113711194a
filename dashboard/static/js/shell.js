/** What stands around every view: name of the site, connection, theme, log out, and the navigation. */

import {button, h, icon, replace, say} from './lib/dom.js';
import {live, on} from './lib/live.js';
import {failed} from './lib/notice.js';
import {recall, useTheme} from './lib/prefs.js';
import {logout, mayRead, session} from './lib/session.js';

const VIEWS = [
  ['cameras', 'Cameras'],
  ['counts', 'Counts'],
  ['events', 'Events'],
  ['setup', 'Setup'],
  ['frameworks', 'Frameworks'],
  ['system', 'System'],
];
const THEMES = {auto: ['light', 'As the system'], light: ['dark', 'Light'], dark: ['auto', 'Dark']};
const PICTURES = {auto: 'auto', light: 'sun', dark: 'moon'};
const LINES = {
  open: ['ok', 'Live'],
  connecting: ['off', 'Connecting'],
  lost: ['bad', 'No connection'],
  paused: ['off', 'Paused'],
  closed: ['off', 'Not connected'],
};
let ending = new AbortController();

/**
 * Draw the frame of the page anew, as it is for whoever is logged in.
 * @param changed `async ()`: what to do when somebody has logged out.
 * @param leave `()`: whether the view may be left for that.
 */
export function drawShell(changed, leave) {
  ending.abort();
  ending = new AbortController();
  const state = h('span', {class: 'pill', role: 'status'});
  const text = h('span');
  state.append(h('span', {class: 'dot'}), text);
  const show = (name) => {
    if (name === 'connecting' && state.dataset.kind === 'bad') {
      return; // it is tried again and again, which nobody wants to hear of each time
    }
    const [kind, said] = LINES[name] ?? LINES.closed;
    state.dataset.kind = kind;
    say(text, said);
  };
  show(live.state);
  on('state', show, ending.signal);
  const out =
    session.login_needed && session.logged_in
      ? button('Log out', {
          name: 'logout',
          text: '',
          kind: 'quiet',
          onclick: () => leave() && logout().then(changed).catch(failed),
        })
      : null;
  replace(
    document.getElementById('top'),
    h(
      'a',
      {class: 'brand', href: '#/cameras'},
      h('img', {src: '/static/icon.svg', alt: '', width: 28, height: 28}),
      h('strong', null, 'Sightline'),
    ),
    session.site ? h('span', {class: 'site'}, session.site) : null,
    h('span', {class: 'grow'}),
    mayRead() ? state : null,
    themeButton(),
    out,
  );
  const nav = document.getElementById('nav');
  nav.hidden = !mayRead();
  document.body.classList.toggle('alone', !mayRead());
  replace(
    nav,
    h(
      'ul',
      null,
      VIEWS.map(([name, title]) =>
        h('li', null, h('a', {href: `#/${name}`, dataset: {view: name}}, icon(name), h('span', null, title))),
      ),
    ),
  );
}

/** Mark the view that is shown. */
export function markView(name) {
  for (const link of document.querySelectorAll('#nav a')) {
    if (link.dataset.view === name) {
      link.setAttribute('aria-current', 'page');
    } else {
      link.removeAttribute('aria-current');
    }
  }
}

function themeButton() {
  const box = h('span');
  const draw = () => {
    const theme = recall('theme', 'auto');
    const [next, said] = THEMES[theme] ?? THEMES.auto;
    const made = button(`Theme: ${said}`, {
      name: PICTURES[theme] ?? 'auto',
      text: '',
      kind: 'quiet',
      onclick: () => {
        useTheme(next);
        draw();
        box.firstChild.focus();
      },
    });
    made.id = 'theme';
    replace(box, made);
  };
  draw();
  return box;
}
