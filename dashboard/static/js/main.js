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
const AGAIN_MS = 3000;
const main = document.getElementById('main');
let router = null;
let opened = 0;
let shown = '';
let asksAgain = false;

const loginModule = () => import('./views/login.js');

/** A part of the page, from the server. */
async function brought(load) {
  try {
    return await load();
  } catch {
    throw Object.assign(new Error('A part of the page cannot be loaded from Sightline'), {isAway: true});
  }
}

async function open(place, signal) {
  opened += 1;
  const turn = opened;
  const [name = 'cameras'] = place.parts;
  const known = name in VIEWS ? name : 'cameras';
  try {
    if (!mayRead()) {
      live.stop();
      const {loginView} = await brought(loginModule);
      if (turn === opened) {
        put(loginView(again, signal), 'login');
      }
      return;
    }
    live.start();
    const module = await brought(VIEWS[known]);
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
    tellFault(error, known, turn);
  }
}

/** Why a view is not there; what the network has kept away is asked for again. */
function tellFault(error, name, turn) {
  const again = error.isAway ? '; trying again …' : '';
  const said = `${error.message}${again}`;
  if (!again || main.querySelector('[role=alert]')?.textContent !== said) {
    const title = 'This view cannot be shown';
    const button = h('button', {type: 'button', class: 'button', onclick: () => router.again()}, 'Try again');
    const why = h('p', {class: 'fault', role: 'alert'}, said);
    put({title, element: h('div', null, h('h1', null, title), why, button)}, name);
  }
  if (again) {
    setTimeout(() => turn === opened && router.again(), AGAIN_MS);
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
  asksAgain = true;
  const {loginView} = await loginAtLast();
  live.stop();
  const ending = new AbortController();
  const dialog = h('dialog', {'aria-labelledby': 'login-title', closedby: 'none'});
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
  const show = () => {
    if (dialog.isConnected) {
      dialog.showModal();
      dialog.querySelector('#password').focus();
    }
  };
  dialog.addEventListener('close', show); // a browser closes it all the same when Escape is pressed twice
  document.body.append(dialog);
  show();
}

/** The login, asked for until it comes: without it nobody could go on. */
async function loginAtLast() {
  for (let tries = 0; ; tries += 1) {
    try {
      return await loginModule();
    } catch {
      if (!tries) {
        failed('The session has ended, and the login cannot be loaded. It is tried again; all that is not saved stays.');
      }
      await new Promise((resolve) => {
        setTimeout(resolve, AGAIN_MS);
      });
    }
  }
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
  const {scopes} = session;
  await refresh();
  if (!mayRead()) {
    try {
      await ended();
    } catch (error) {
      session.scopes = scopes; // so that it is asked again with the next try of the stream
      throw error;
    }
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
