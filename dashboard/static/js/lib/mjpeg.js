/** A multipart JPEG stream drawn on a canvas: the newest picture, never a backlog, and connected again after a fault. */

const STALL_MS = 10000;
const LONGEST_WAIT_MS = 8000;
const MOST_BYTES = 8e6; // of one picture; more is no stream of ours

/**
 * Play a stream on a canvas until the signal aborts; it rests while the page is hidden.
 * @param canvas What is drawn on; it takes the picture's size.
 * @param address Gives the URL, asked for at each connection.
 * @param tell `tell(state, sentence)`: 'waiting', 'live' or 'lost'.
 * @return `{restart()}` for another URL.
 */
export function play(canvas, address, tell, signal) {
  let turn = null;
  const restart = () => {
    turn?.abort();
    turn = new AbortController();
    if (!signal.aborted && !document.hidden) {
      follow(canvas, address, tell, turn.signal);
    }
  };
  document.addEventListener('visibilitychange', restart, {signal});
  signal.addEventListener('abort', () => turn?.abort());
  restart();
  return {restart};
}

async function follow(canvas, address, tell, signal) {
  let wait = 500;
  tell('waiting', 'Connecting to the camera …'); // once: the reason why there is no picture stays while it is tried again
  while (!signal.aborted) {
    let why = 'The stream ended.';
    try {
      await once(
        canvas,
        address(),
        () => {
          wait = 500;
          tell('live', '');
        },
        signal,
      );
    } catch (error) {
      why = error.message;
    }
    if (signal.aborted) {
      return;
    }
    tell('lost', why);
    await new Promise((resolve) => {
      setTimeout(resolve, wait);
    });
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

async function once(canvas, url, onPicture, signal) {
  const ending = new AbortController();
  const end = () => ending.abort();
  signal.addEventListener('abort', end);
  let heard = performance.now();
  const watchdog = setInterval(() => {
    if (performance.now() - heard > STALL_MS) {
      ending.abort();
    }
  }, 1000);
  try {
    const answer = await fetch(url, {signal: ending.signal, cache: 'no-store'});
    if (!answer.ok) {
      throw new Error(await sentence(answer));
    }
    const draw = painter(canvas, onPicture, ending.signal);
    const reader = answer.body.getReader();
    const split = splitter(answer.headers.get('content-type') ?? '');
    for (;;) {
      const {done, value} = await reader.read();
      if (done) {
        return;
      }
      heard = performance.now();
      for (const jpeg of split(value)) {
        draw(jpeg);
      }
    }
  } catch (error) {
    if (error.name === 'AbortError') {
      throw new Error(signal.aborted ? 'ended' : 'No picture for ten seconds.', {cause: error});
    }
    throw error instanceof TypeError ? new Error('The server does not answer.', {cause: error}) : error;
  } finally {
    clearInterval(watchdog);
    signal.removeEventListener('abort', end);
    ending.abort();
  }
}

async function sentence(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `The server answered ${answer.status}.`;
  }
}

/** Draws one picture at a time; of those that come meanwhile, the newest. */
function painter(canvas, onPicture, signal) {
  const context = canvas.getContext('2d', {alpha: false});
  let next = null;
  let busy = false;
  const work = async () => {
    busy = true;
    while (next && !signal.aborted) {
      const jpeg = next;
      next = null;
      try {
        const bitmap = await createImageBitmap(new Blob([jpeg], {type: 'image/jpeg'}));
        if (!signal.aborted) {
          paint(canvas, context, bitmap);
        }
        bitmap.close();
        onPicture();
      } catch {
        /* a damaged picture: the next one comes */
      }
    }
    busy = false;
  };
  return (jpeg) => {
    next = jpeg;
    if (!busy) {
      work();
    }
  };
}

/** Draw a bitmap; the canvas takes its size, and counts the pictures for whoever looks at it. */
export function paint(canvas, context, bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  context.drawImage(bitmap, 0, 0);
  canvas.dataset.pictures = String(Number(canvas.dataset.pictures ?? 0) + 1);
}

/**
 * Cuts pictures out of a multipart stream.
 * @return A function of the next bytes that gives the pictures which they complete.
 */
export function splitter(contentType) {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1]?.replace(/^--/, '') ?? 'frame';
  const mark = new TextEncoder().encode(`--${boundary}`);
  let kept = new Uint8Array(0);
  return (bytes) => {
    const joined = new Uint8Array(kept.length + bytes.length);
    joined.set(kept);
    joined.set(bytes, kept.length);
    kept = joined;
    const found = [];
    for (let one = cut(kept, mark); one; one = cut(kept, mark)) {
      if (one.jpeg) {
        found.push(one.jpeg);
      }
      kept = kept.subarray(one.end);
    }
    if (kept.length > MOST_BYTES) {
      throw new Error('This is no stream of pictures.');
    }
    return found;
  };
}

/** The first whole part: by its Content-Length, or up to the next mark. */
function cut(bytes, mark) {
  const begin = indexOf(bytes, mark, 0);
  if (begin < 0) {
    return null;
  }
  const head = indexOf(bytes, [13, 10, 13, 10], begin);
  if (head < 0) {
    return null;
  }
  const text = new TextDecoder('latin1').decode(bytes.subarray(begin, head));
  const length = /content-length:\s*(\d+)/i.exec(text)?.[1];
  const from = head + 4;
  if (length) {
    const end = from + Number(length);
    return bytes.length < end ? null : {jpeg: bytes.slice(from, end), end};
  }
  const next = indexOf(bytes, mark, from);
  return next < 0 ? null : {jpeg: bytes.slice(from, next - 2), end: next};
}

function indexOf(bytes, wanted, from) {
  for (
    let at = bytes.indexOf(wanted[0], from);
    at >= 0 && at + wanted.length <= bytes.length;
    at = bytes.indexOf(wanted[0], at + 1)
  ) {
    if (wanted.every((value, offset) => bytes[at + offset] === value)) {
      return at;
    }
  }
  return -1;
}
