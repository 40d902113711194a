/** Short messages at the foot of the page, read aloud; errors stay until they are closed. */

import {button, h} from './dom.js';

const MOST = 4;
const STAYS_MS = 5000;

/** Say that something was done. */
export function done(text) {
  show(text, '');
}

/** Say that something failed: a sentence, or an error. */
export function failed(error) {
  if (error?.name !== 'AbortError') {
    show(error?.message ?? String(error), 'bad');
  }
}

function show(text, kind) {
  const box = document.getElementById('notices');
  const note = h('div', {class: `notice ${kind}`, ...(kind ? {role: 'alert'} : {})}, h('span', null, text));
  note.append(button('Close', {name: 'close', text: '', kind: 'quiet', onclick: () => note.remove()}));
  box.append(note);
  while (box.children.length > MOST) {
    box.firstChild.remove();
  }
  if (!kind) {
    setTimeout(() => note.remove(), STAYS_MS);
  }
}
