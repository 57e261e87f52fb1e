// GraphQL over fetch. A request is asked again while the server does not answer, and waits where the server says so; a
// mutation carries a key, so that it is done once however often it is sent. Where the token ends, whoever asked waits for
// a new one and is answered then.

const KEPT = 'authorization';
const PATIENCE = [300, 700, 1500, 3000, 5000, 8000];

/** What the server refused as a whole; `code` is one of the documented ones. */
export class ApiError extends Error {
  constructor(message, code = '', extensions = {}) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.extensions = extensions;
  }
}

/** What the caller can mend: `problems` are the `userErrors` of the payload (field, message, code, path). */
export class Refused extends Error {
  constructor(problems) {
    super(problems.map(problem => problem.message).join(' '));
    this.name = 'Refused';
    this.problems = problems;
    this.code = problems[0].code;
  }
}

/**
 * The token of the tab. It stands in the tab's own storage, which ends with it, under the key by which the explorer
 * of the same tab finds it, too.
 */
export const session = {
  get token() {
    return (sessionStorage.getItem(KEPT) ?? '').replace(/^Bearer\s+/i, '');
  },
  set token(value) {
    if (value) sessionStorage.setItem(KEPT, `Bearer ${value}`);
    else sessionStorage.removeItem(KEPT);
  },
  /** Set by the frame: asks for a new token, once for all who wait. */
  renew: async () => { throw new ApiError('Sign in again.', 'UNAUTHENTICATED'); },
};

/** Where an address of the server lies, also below a path that a proxy adds. */
export const resolve = path => new URL(path, document.baseURI).href;

/** Told `true` when the server stops answering and `false` when it answers again. */
export const onTrouble = new Set();
let troubled = false;
export function tellTrouble(value) {
  if (troubled === value) return;
  troubled = value;
  for (const tell of onTrouble) tell(value);
}

/** The data of a query; ApiError where there is any error. */
export async function ask(document, variables = {}, { signal, token } = {}) {
  const answer = await send(document, variables, {}, signal, token);
  return answer.data;
}

/** The payload of a mutation of one field; Refused where it has `userErrors`. */
export async function change(document, variables = {}, { signal } = {}) {
  const answer = await send(document, variables, { 'Idempotency-Key': makeKey() }, signal);
  const [payload] = Object.values(answer.data);
  if (payload.userErrors?.length) throw new Refused(payload.userErrors);
  return payload;
}

/** 32 hexadecimal digits; crypto.randomUUID is only there on https and loopback. */
export function makeKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('');
}

async function send(document, variables, headers, signal, token) {
  const response = await request('graphql', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json', ...headers },
    body: JSON.stringify({ query: document, variables }),
    signal,
  }, token);
  const answer = await readJson(response);
  if (answer.errors?.length) {
    const [{ message, extensions = {} }] = answer.errors;
    throw new ApiError(message, extensions.code, extensions);
  }
  return answer;
}

/** The JSON of an answer; ApiError where it is none, as from a proxy between. */
export async function readJson(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(`The server answered with ${response.status} and no data.`, 'UNAVAILABLE');
  }
}

/**
 * Send a file and return what the server answers as JSON: ApiError with its sentence where it refuses. `told(sent, size)`
 * is called with the bytes that are on their way. Where too much was asked the file is not sent again by itself.
 */
export async function sendFile(path, file, type, { headers = {}, signal, told = () => {} } = {}) {
  const options = { method: 'POST', headers: { 'Content-Type': type, Accept: 'application/json', ...headers }, body: file, signal };
  const response = await request(path, options, null, (url, given) => transmit(url, given, told));
  const answer = await readJson(response);
  if (!response.ok) throw new ApiError(answer.detail, response.status === 403 ? 'FORBIDDEN' : '', { status: response.status });
  return answer;
}

/** As fetch, which tells nothing of what is on its way. */
function transmit(url, { method, headers, body, signal }, told) {
  return new Promise((done, fail) => {
    const sending = new XMLHttpRequest();
    const end = () => sending.abort();
    sending.open(method, url);
    for (const [name, value] of Object.entries(headers)) sending.setRequestHeader(name, value);
    sending.upload.onprogress = event => told(event.loaded, event.total);
    sending.onload = () => done(new Response(sending.response, { status: sending.status }));
    sending.onerror = () => fail(new TypeError('The connection broke off.'));
    sending.onabort = () => fail(new DOMException('The page was left.', 'AbortError'));
    sending.onloadend = () => signal?.removeEventListener('abort', end);
    signal?.addEventListener('abort', end);
    if (signal?.aborted) end();
    else sending.send(body);
  });
}

/**
 * A request with the token of the tab, or with another one that is tried. Asked again when nothing answers or the server
 * is not ready; a token that ended is asked for anew; where too much was asked, after the time that the server names.
 * `transport` is fetch, or what sends a file, which is not sent again where there is too much of it.
 */
export async function request(path, options = {}, token = null, transport = fetch) {
  for (let attempt = 0; ; attempt += 1) {
    const used = token ?? session.token;
    const headers = { ...options.headers, Authorization: `Bearer ${used}` };
    let response = null;
    try {
      response = await transport(resolve(path), { credentials: 'omit', cache: 'no-store', ...options, headers });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
    }
    const again = !response || [502, 503, 504].includes(response.status);
    tellTrouble(again);
    if (again || (response.status === 429 && transport === fetch)) {
      if (attempt >= PATIENCE.length) {
        if (response) return response;
        throw new ApiError('The server does not answer. Check the connection, then try again.', 'UNAVAILABLE');
      }
      release(response);
      const named = Number(response?.headers.get('Retry-After')) * 1000;
      await pause(Math.min(named || PATIENCE[attempt], 30_000), options.signal);
    } else if (response.status === 401 && token === null) {
      release(response);
      await session.renew(used);
    } else {
      return response;
    }
  }
}

/** An answer that nobody reads would hold its connection. */
function release(response) {
  response?.body?.cancel();
}

/** Wait so many milliseconds, or until the browser is back on the net; the signal ends it with an AbortError. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      window.removeEventListener('online', end);
      if (signal?.aborted) reject(new DOMException('The page was left.', 'AbortError'));
      else resolve();
    };
    const timer = setTimeout(end, milliseconds);
    window.addEventListener('online', end);
    signal?.addEventListener('abort', end, { once: true });
    if (signal?.aborted) end();
  });
}
