// Addresses stand behind the hash, such as #/segments/vip?sort=NAME: they hold below any path that a proxy adds, and what
// is searched for (names, e-mails) is sent to no server and stands in no log.

const positions = new Map();
let asked = false;
let held = null;
let asking = false;

/** The address of a page; empty values are left out. */
export function address(path, query = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  const text = new URLSearchParams(pairs.flatMap(([name, value]) => [value].flat().map(each => [name, each]))).toString();
  return `#${path}${text && '?'}${text}`;
}

/** Where the browser is: the path, its parts, and what stands behind the question mark. */
export function read() {
  const [path, query = ''] = splitOnce(location.hash.slice(1) || '/', '?');
  return { path, parts: path.split('/').filter(Boolean).map(decode), query: new URLSearchParams(query) };
}

function splitOnce(text, mark) {
  const place = text.indexOf(mark);
  return place < 0 ? [text] : [text.slice(0, place), text.slice(place + 1)];
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Go to an address; with `replace` the back button passes over the one that was there. */
export function go(to, { replace = false } = {}) {
  if (to === location.hash) return;
  asked = true;
  if (!replace) {
    location.hash = to;
    return;
  }
  history.replaceState(null, '', to);
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}

/** Until the signal ends it, nobody leaves while `isChanged()` without being asked: `mayLeave()` promises the answer. */
export function hold(isChanged, mayLeave, signal) {
  const own = held = { isChanged, mayLeave };
  signal.addEventListener('abort', () => { if (held === own) held = null; });
}

/** Whether what is shown may be left, as far as whoever sits before it says. */
export const mayLeave = async () => !held?.isChanged() || held.mayLeave();

/** The address has changed to one that has to wait until it is clear whether the page may be left. */
async function askBeforeLeaving(from, to) {
  history.pushState(null, '', from);
  if (asking) return;
  asking = true;
  try {
    if (!(await mayLeave())) return;
    held = null;
    go(to);
  } finally {
    asking = false;
  }
}

/** Call `show(restore)` now and at every change of address; `restore` scrolls to where a page was left. */
export function start(show) {
  history.scrollRestoration = 'manual';
  let shown = location.hash;
  document.addEventListener('click', event => { asked ||= Boolean(event.target.closest?.('a[href^="#"]')); });
  document.addEventListener('scrollend', () => positions.set(location.hash, scrollY));
  window.addEventListener('beforeunload', event => { if (held?.isChanged()) event.preventDefault(); });
  window.addEventListener('hashchange', () => {
    if (held?.isChanged()) {
      askBeforeLeaving(shown, location.hash);
      return;
    }
    const position = asked ? null : positions.get(location.hash) ?? 0;
    const samePage = shown.split('?')[0] === location.hash.split('?')[0];
    [asked, shown] = [false, location.hash];
    show({ samePage, scroll: () => (position !== null ? scrollTo(0, position) : samePage || scrollTo(0, 0)) });
  });
  show({ samePage: false, scroll: () => {} });
}
