/** A question with buttons, in the browser's own dialog: the keyboard stays in it, Escape closes it. */

import {button, h} from './dom.js';

/**
 * Ask; answers with the value of the button, or `null`.
 * @param answers `[value, label, kind]` each; the last one is the harmless way out.
 */
export function ask(title, body, answers) {
  return new Promise((resolve) => {
    const heading = h('h2', {id: 'ask-title'}, title);
    const dialog = h('dialog', {'aria-labelledby': 'ask-title'}, heading, body);
    const finish = (value) => {
      dialog.close();
      dialog.remove();
      resolve(value);
    };
    dialog.append(
      h(
        'div',
        {class: 'row end'},
        answers.map(([value, label, kind]) => button(label, {kind: kind ?? '', onclick: () => finish(value)})),
      ),
    );
    dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      finish(null);
    });
    document.body.append(dialog);
    dialog.showModal();
    dialog.querySelector('.row.end button:last-child').focus();
  });
}
