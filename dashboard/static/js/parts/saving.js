/** Saving into the site file: with its revision, so that nobody's change is overwritten; conflicts are shown; undo. */

import {get, post} from '../lib/api.js';
import {ask} from '../lib/ask.js';
import {button, h} from '../lib/dom.js';
import {done, failed} from '../lib/notice.js';
import {may} from '../lib/session.js';

/** The site file as it is, and what may be written to it. */
export class SiteFile {
  constructor() {
    this.config = null;
    this.reason = null;
  }

  /** Read it; where there is none, `reason` says why nothing can be saved. */
  async load(signal) {
    try {
      this.config = await get('/api/config', signal);
      this.reason = may('configure') ? null : 'You may look, but not change the configuration.';
    } catch (error) {
      if (error.name === 'AbortError') {
        throw error;
      }
      this.config = null;
      this.reason = error.message;
    }
    return this;
  }

  get revision() {
    return this.config?.revision ?? null;
  }

  /** What stands in the file for a camera, as it is in force. */
  camera(name) {
    return this.config?.in_force?.cameras?.[name] ?? null;
  }

  /**
   * Send a change.
   * @param send `send(revision)`: the request.
   * @return 'saved'; 'theirs' where the user wants the file's version instead; 'stay' to go on editing.
   * @throws ApiError with `faults` where the change is refused.
   */
  async save(send) {
    try {
      await send(this.revision);
    } catch (error) {
      if (error.status !== 409) {
        throw error;
      }
      return this.#conflict(error, send);
    }
    await this.load();
    return 'saved';
  }

  async #conflict(error, send) {
    const changed = error.body.diff ?? error.body.changed ?? null;
    const body = h(
      'div',
      null,
      h('p', null, error.message),
      changed
        ? h(
            'pre',
            {class: 'diff', tabindex: '0'},
            typeof changed === 'string' ? changed : JSON.stringify(changed, null, 1),
          )
        : null,
      h('p', null, 'Nothing was overwritten, and what you drew or wrote is still here.'),
    );
    const answer = await ask('The site file was changed meanwhile', body, [
      ['theirs', 'Take the file’s version'],
      ['mine', 'Save mine into the changed file', 'first'],
      [null, 'Go on editing'],
    ]);
    if (answer === null) {
      return 'stay';
    }
    await this.load();
    if (answer === 'theirs') {
      return 'theirs';
    }
    return this.save(send);
  }

  /** A button that brings back the file as it was before the last change made here. */
  undoButton(after, signal) {
    const made = button('Undo last save', {
      name: 'undo',
      disabled: !this.config?.backups?.length || this.reason !== null,
      onclick: async () => {
        try {
          const answer = await this.save((revision) => post('/api/config/undo', {revision}));
          if (answer !== 'stay') {
            done('The site file is as it was before the last save.');
            await after();
          }
        } catch (error) {
          failed(error);
        }
      },
    });
    this.refreshUndo = () => {
      if (!signal.aborted) {
        made.disabled = !this.config?.backups?.length || this.reason !== null;
      }
    };
    return made;
  }
}
