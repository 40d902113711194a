/** The page: asks who is there, then shows the view in the address. */

import {whenLoggedOut} from './lib/api.js';
import {h, replace} from './lib/dom.js';
import * as live from './lib/live.js';
import {failed} from './lib/notice.js';
import {start} from './lib/router.js';
import {mayRead, refresh, session} from './lib/session.js';
import {drawShell, markView} from './shell.js';

/** View → its module, loaded when it is first opened. */
const VIEWS = {
  cameras: () => import('./views/cameras.js'),
  counts: () => import('./views/counts.js'),
  events: () => import('./views/events.js'),
  setup: () => import('./views/setup.js'),
  frameworks: () => import('./views/frameworks.js'),
  system: () => import('./views/system.js'),
};
const main = document.getElementById('main');
let router = null;
let opened = 0;
let shown = '';
let asksAgain = false;

async function open(place, signal) {
  opened += 1;
  const turn = opened;
  const [name = 'cameras'] = place.parts;
  const known = name in VIEWS ? name : 'cameras';
  try {
    if (!mayRead()) {
      live.stop();
      const {loginView} = await import('./views/login.js');
      if (turn === opened) {
        put(loginView(again, signal), 'login');
      }
      return;
    }
    live.start();
    const module = await VIEWS[known]();
    if (turn !== opened) {
      return;
    }
    const made = await module.view({parts: place.parts.slice(1), query: place.query}, {signal, router});
    if (turn === opened) {
      put(made, known);
    }
  } catch (error) {
    if (turn !== opened || error.name === 'AbortError' || error.status === 401) {
      return;
    }
    put(
      {
        title: 'This view cannot be shown',
        element: h(
          'div',
          null,
          h('h1', null, 'This view cannot be shown'),
          h('p', {class: 'fault', role: 'alert'}, error.message),
          h('button', {type: 'button', class: 'button', onclick: () => router.again()}, 'Try again'),
        ),
      },
      known,
    );
  }
}

function put({title, element}, name) {
  if (!element) {
    return;
  }
  document.title = `${title} · Sightline${session.site ? ` · ${session.site}` : ''}`;
  replace(main, element);
  shown = name;
  markView(name);
  if (opened > 1) {
    main.scrollIntoView({block: 'start'});
    const heading = main.querySelector('h1');
    heading?.setAttribute('tabindex', '-1');
    heading?.focus({preventScroll: true});
  }
}

async function again() {
  await refresh();
  drawShell(again, leave);
  router.again();
}

/** Whether one may log out: what is not saved would be lost. */
const leave = () => router.mayLeave();

/** Nobody is logged in any more: the login takes the place of the view, or lies over what is not saved yet. */
async function ended() {
  if (!router?.unsaved()) {
    await again();
    return;
  }
  if (asksAgain) {
    return;
  }
  const {loginView} = await import('./views/login.js'); // first: where it cannot be had, all stays as it is
  if (asksAgain) {
    return; // somebody else came first
  }
  asksAgain = true;
  live.stop();
  const ending = new AbortController();
  const dialog = h('dialog', {'aria-labelledby': 'login-title'});
  const goOn = () => {
    dialog.close();
    dialog.remove();
    ending.abort();
    asksAgain = false;
    drawShell(again, leave);
    markView(shown);
    live.start();
  };
  const said = h('p', {class: 'hint'}, 'The session has ended. What is not saved yet is still here: log in to go on.');
  replace(dialog, said, loginView(goOn, ending.signal).element);
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector('#password').focus();
}

whenLoggedOut(() => {
  if (!mayRead()) {
    return;
  }
  const {scopes} = session;
  session.scopes = [];
  ended().catch((error) => {
    session.scopes = scopes; // so that the next answer of this kind asks for the login again
    failed(error);
  });
});

/** A stream that is lost may be a session that is over, or a server that was started anew, with other tokens. */
async function asked() {
  await refresh();
  if (!mayRead()) {
    await ended();
  }
}

let isLost = false;
live.on(
  'state',
  (state) => {
    if (!mayRead()) {
      return;
    }
    if (state === 'lost' || (state === 'open' && isLost)) {
      asked().catch(() => {}); // the server is away: the stream is tried again
    }
    isLost = state === 'lost' || (isLost && state !== 'open');
  },
  new AbortController().signal,
);

async function boot() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      await refresh();
      break;
    } catch (error) {
      replace(main, h('p', {class: 'fault', role: 'alert'}, `${error.message}; trying again …`));
      await new Promise((resolve) => {
        setTimeout(resolve, wait);
      });
    }
  }
  drawShell(again, leave);
  router = start(open);
}

boot();
