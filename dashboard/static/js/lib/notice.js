/** Short messages at the foot of the page, read aloud; errors stay until they are closed. */

import {button, h, takeAway} from './dom.js';

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
  let from = null; // where the focus was before it came here
  note.addEventListener('focusin', ({relatedTarget}) => {
    from = relatedTarget && !box.contains(relatedTarget) ? relatedTarget : from;
  });
  const closeOf = (one) => one?.querySelector('button');
  const away = () => {
    const {nextElementSibling: next, previousElementSibling: before} = note;
    takeAway(note, closeOf(next), closeOf(before), from, document.getElementById('main'));
  };
  note.append(button('Close', {name: 'close', text: '', kind: 'quiet', onclick: away}));
  box.append(note);
  while (box.children.length > MOST) {
    takeAway(box.firstChild, closeOf(note));
  }
  if (!kind) {
    setTimeout(away, STAYS_MS);
  }
}
