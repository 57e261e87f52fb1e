// Subscriptions over one WebSocket, in the protocol graphql-transport-ws. The socket is opened with the first one and
// closed after the last; when it breaks it is opened again, and every operation is asked anew with the variables of that
// moment, so that one with a cursor goes on where it was.

import { ApiError, pause, resolve, session, tellTrouble } from './api.js';

const WAITING = [200, 500, 1000, 2000, 4000];
const TOKEN_ENDED = [4401, 4403];
const FORBIDDEN = 4400;

const operations = new Map();
let socket = null;
let lastId = 0;
let failures = 0;

/**
 * Call `next(data)` with every message until the signal ends it or the server does; the promise is kept then, or broken
 * with an ApiError. `variables` is an object, or a function that is asked at each connection. `tell(true)` and
 * `tell(false)` say whether messages can come.
 */
export function follow(document, variables, next, { signal, tell = () => {} }) {
  return new Promise((done, fail) => {
    const id = String(++lastId);
    const end = (settle, value) => {
      if (!operations.delete(id)) return;
      settle(value);
      if (!operations.size) close();
    };
    operations.set(id, {
      next, tell,
      start: () => write({ id, type: 'subscribe', payload: { query: document, variables: typeof variables === 'function' ? variables() : variables } }),
      complete: () => end(done),
      fail: error => end(fail, error),
    });
    signal.addEventListener('abort', () => { write({ id, type: 'complete' }); end(done); }, { once: true });
    if (signal.aborted) end(done);
    else if (socket?.ready) operations.get(id).start();
    else if (!socket) open();
  });
}

function write(message) {
  if (socket?.ready && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function close() {
  socket?.close(1000);
  socket = null;
}

function open() {
  const token = session.token;
  const opened = socket = new WebSocket(resolve('graphql').replace(/^http/, 'ws'), 'graphql-transport-ws');
  opened.ready = false;
  opened.onopen = () => opened.send(JSON.stringify({ type: 'connection_init', payload: { Authorization: `Bearer ${token}` } }));
  opened.onmessage = ({ data }) => receive(opened, JSON.parse(data));
  opened.onclose = event => lose(opened, event, token);
}

function receive(opened, { type, id, payload }) {
  if (type === 'connection_ack') {
    opened.ready = true;
    failures = 0;
    tellTrouble(false);
    for (const operation of operations.values()) {
      operation.start();
      operation.tell(true);
    }
  } else if (type === 'ping') {
    opened.send('{"type":"pong"}');
  } else if (type === 'next') {
    const { data, errors } = payload;
    if (errors?.length) operations.get(id)?.fail(new ApiError(errors[0].message, errors[0].extensions?.code));
    else operations.get(id)?.next(data);
  } else if (type === 'error') {
    operations.get(id)?.fail(new ApiError(payload[0].message, payload[0].extensions?.code));
  } else if (type === 'complete') {
    operations.get(id)?.complete();
  }
}

async function lose(lost, { code, reason }, token) {
  if (socket !== lost) return;
  for (const operation of operations.values()) operation.tell(false);
  if (code === FORBIDDEN) {
    socket = null;
    for (const operation of [...operations.values()]) operation.fail(new ApiError(reason || 'The server closed the connection.'));
    return;
  }
  if (TOKEN_ENDED.includes(code)) await session.renew(token);
  else await pause(WAITING[Math.min(failures++, WAITING.length - 1)]);
  if (socket !== lost) return;
  if (operations.size) open();
  else socket = null;
}
