// The frame: who is signed in, where one can go, and the page that the address names. A page is shown when it is there
// whole; until then the one before it stays, and a line at the top says that something is on its way.

import { ApiError, ask, onTrouble, session } from './api.js';
import { button, dialog, field, fill, h, name, notice } from './elements.js';
import { address, go, mayLeave, read, start } from './router.js';
import { useBusiness } from './words.js';

const VIEWER = /* GraphQL */ `
  query Viewer {
    viewer {
      subject
      permissions
      business { id key name currency timeZone settings settingsVersion }
    }
  }
`;

const NAVIGATION = [['/', 'Overview'], ['/segments', 'Segments'], ['/customers', 'Customers'], ['/imports', 'Imports'], ['/settings', 'Settings']];

// By the parts of an address; what begins with a colon stands for any part and is given to the page under that name.
const PAGES = [
  ['', 'overview'],
  ['segments', 'segments'],
  ['new-segment', 'editor'],
  ['segments/:key', 'segment'],
  ['segments/:key/edit', 'editor'],
  ['customers', 'customers'],
  ['customers/:externalId', 'customer'],
  ['imports', 'imports'],
  ['imports/:id', 'import'],
  ['settings', 'settings'],
  ['settings/:section', 'settings'],
];

const EDIT = 'customers:edit';
const REFUSED = {
  UNAUTHENTICATED: 'The server does not take this token: it is wrong, has expired or was revoked.',
  FORBIDDEN: 'This token may not read the shop: it lacks the permission customers:view.',
};
const SHOW_BUSY_AFTER = 150;

const main = h('main', { id: 'content', tabindex: '-1' });
const header = h('header', { class: 'top' });
const spoken = h('p', { class: 'unseen', role: 'status', 'aria-live': 'polite' });
const trouble = h('p', { class: 'trouble', role: 'status', hidden: true },
  'The server does not answer. Trying again …');
const busy = h('div', { class: 'busy', 'aria-hidden': 'true', hidden: true });
let viewer = null;
let leaving = null;

/** What a page is given: where it is, who looks, and how it changes the address. */
class Page {
  constructor(params, path, query, signal) {
    Object.assign(this, { params, path, query, signal, viewer });
  }

  get mayEdit() {
    return viewer.permissions.includes(EDIT);
  }

  /** The address of this page with other values; an empty one leaves its name out. */
  address(values) {
    return address(this.path, { ...this.#values(), ...values });
  }

  /** Show this page with other values. */
  change(values, options) {
    go(this.address(values), options);
  }

  go(path, query) {
    go(address(path, query));
  }

  /** Show this page anew, as after a change. */
  reload() {
    return show({ samePage: true, scroll: () => {} });
  }

  /** Tell those who do not see the page change. */
  say(text) {
    fill(spoken, text);
  }

  /** The whole page: its heading, a sentence below it, what can be done, and the parts. */
  view(title, { lead = null, actions = null, up = null } = {}, ...content) {
    document.title = `${title} · ${viewer.business.name}`;
    return h('div', { class: 'page' },
      up && h('p', { class: 'up' }, h('a', { href: address(up[0]) }, `← ${up[1]}`)),
      h('div', { class: 'page-head' },
        h('div', null, h('h1', { tabindex: '-1' }, name(title)), lead && h('p', { class: 'lead' }, lead)),
        actions && h('div', { class: 'actions' }, actions)),
      content);
  }

  #values() {
    const values = {};
    for (const key of new Set(this.query.keys())) {
      const all = this.query.getAll(key);
      values[key] = all.length > 1 ? all : all[0];
    }
    return values;
  }
}

function find(parts) {
  for (const [pattern, module] of PAGES) {
    const wanted = pattern.split('/').filter(Boolean);
    if (wanted.length !== parts.length) continue;
    if (!wanted.every((part, place) => part.startsWith(':') || part === parts[place])) continue;
    const params = wanted.flatMap((part, place) => (part.startsWith(':') ? [[part.slice(1), parts[place]]] : []));
    return { module, params: Object.fromEntries(params) };
  }
  return null;
}

async function show({ samePage, scroll }) {
  if (!viewer) return;
  leaving?.abort();
  const { signal } = (leaving = new AbortController());
  const { path, parts, query } = read();
  drawHeader(parts[0] ?? '');
  const waiting = setTimeout(() => { busy.hidden = false; main.setAttribute('aria-busy', 'true'); }, SHOW_BUSY_AFTER);
  let content;
  try {
    content = await load(find(parts), path, query, signal);
  } catch (error) {
    if (signal.aborted) return;
    content = failure(error);
  } finally {
    clearTimeout(waiting);
  }
  if (signal.aborted) return;
  busy.hidden = true;
  main.removeAttribute('aria-busy');
  replace(content, samePage);
  scroll();
}

async function load(found, path, query, signal) {
  const page = new Page(found?.params ?? {}, path, query, signal);
  if (!found) {
    return page.view('There is no such page', {}, h('p', null, h('a', { href: address('/') }, 'Go to the overview')));
  }
  const { show: showPage } = await importPage(found.module);
  return showPage(page);
}

async function importPage(module) {
  try {
    return await import(`./pages/${module}.js`);
  } catch (error) {
    // A module that could not be fetched; what is wrong within one is told as it is.
    if (!(error instanceof TypeError)) throw error;
    throw new ApiError('The server does not answer. Check the connection, then try again.', 'UNAVAILABLE');
  }
}

/** Every page is there before anybody goes to it, so that none is missing when the server restarts. */
function importAll() {
  for (const module of new Set(PAGES.map(([, each]) => each))) importPage(module).catch(() => {});
}

/** Put the page in place; the focus stays where it was on the same page, and goes to the heading where that is gone. */
function replace(content, samePage) {
  const { id, selectionStart, selectionEnd } = document.activeElement ?? {};
  const held = main.contains(document.activeElement);
  const opened = new Map([...main.querySelectorAll('details[id]')].map(element => [element.id, element.open]));
  fill(main, content);
  if (!samePage) {
    (main.querySelector('h1') ?? main).focus({ preventScroll: true });
    return;
  }
  for (const element of main.querySelectorAll('details[id]')) element.open = opened.get(element.id) ?? element.open;
  const before = (id && document.getElementById(id)) || (held && main.querySelector('h1'));
  if (!before) return;
  before.focus({ preventScroll: true });
  if (typeof selectionStart === 'number') before.setSelectionRange(selectionStart, selectionEnd);
}

function failure(error) {
  const denied = error instanceof ApiError && error.code === 'FORBIDDEN';
  document.title = 'Segments';
  return h('div', { class: 'page' },
    h('h1', { tabindex: '-1' }, denied ? 'This token may not see that' : 'This page could not be shown'),
    notice('error', error.message),
    button('Try again', () => (viewer ? show({ samePage: true, scroll: () => {} }) : begin())));
}

function drawHeader(section) {
  if (!viewer) {
    fill(header, h('span', { class: 'brand' }, 'Segments'));
    return;
  }
  const current = section === 'new-segment' ? 'segments' : section;
  fill(header,
    h('a', { class: 'skip', href: '#content', onclick: event => { event.preventDefault(); main.focus(); } }, 'Skip to the page'),
    h('a', { class: 'brand', href: address('/') }, 'Segments'),
    h('nav', { 'aria-label': 'Pages' }, NAVIGATION.map(([path, title]) =>
      h('a', { href: address(path), 'aria-current': path.slice(1) === current ? 'page' : null }, title))),
    h('div', { class: 'who' },
      h('span', { class: 'soft', title: `Signed in as ${viewer.subject}` }, name(viewer.business.name)),
      h('a', { href: 'graphql' }, 'Explorer'),
      h('button', { type: 'button', class: 'quiet', onclick: leave }, 'Sign out')));
}

/** The form that takes a token: tried by asking who it is for, and kept only where that succeeds; why the last was not. */
function tokenForm(done, lead, refused = null) {
  const given = document.querySelector('meta[name="demo-token"]').content;
  const input = h('input', {
    type: 'password', value: given, autocomplete: 'off', spellcheck: 'false', required: true, id: 'token',
  });
  const token = field('Token', input, given
    ? 'This is the demo on your own machine: its token is filled in already.'
    : 'Made by “segments token”, or by your own backend. It is kept for this tab only.');
  const signIn = async () => {
    token.fail('');
    const value = input.value.trim().replace(/^Bearer\s+/i, '');
    if (!value) {
      token.fail('Paste a token first.');
      return;
    }
    try {
      const data = await ask(VIEWER, {}, { token: value });
      session.token = value;
      done(data.viewer);
    } catch (error) {
      refuse(error);
    }
  };
  const refuse = error => {
    token.fail(REFUSED[error.code] ? `${REFUSED[error.code]} Paste another one.` : error.message);
    input.select();
  };
  if (refused) refuse(refused);
  const submit = button('Sign in', signIn, { kind: 'primary' });
  return h('form', { class: 'sign-in', onsubmit: event => { event.preventDefault(); submit.querySelector('button').click(); } },
    h('p', null, lead), token, h('div', { class: 'actions' }, submit));
}

function askForToken(refused = null) {
  viewer = null;
  leaving?.abort();
  drawHeader('');
  document.title = 'Sign in · Segments';
  busy.hidden = true;
  main.removeAttribute('aria-busy');
  fill(main, h('div', { class: 'page narrow' }, h('h1', { tabindex: '-1' }, 'Sign in'),
    tokenForm(enter, 'Who your customers are, by rule, by value and by behaviour: paste a token of your shop to begin.',
      refused)));
  main.querySelector('input').focus();
}

function enter(signedIn) {
  viewer = signedIn;
  useBusiness(viewer.business);
  show({ samePage: false, scroll: () => {} }).then(importAll);
}

/** Who the token of the tab is for, and then the page; without one, or where it no longer holds, the form. */
async function begin() {
  if (!session.token) {
    askForToken();
    return;
  }
  busy.hidden = false;
  try {
    enter((await ask(VIEWER, {}, { token: session.token })).viewer);
  } catch (error) {
    busy.hidden = true;
    if (!REFUSED[error.code]) {
      fill(main, failure(error));
      return;
    }
    session.token = '';
    askForToken(error);
  }
}

async function leave() {
  if (await mayLeave()) signOut();
}

function signOut() {
  session.token = '';
  askForToken();
}

let renewing = null;
/** Over the page that was there: what was asked goes on with the new token, and nothing that was typed is lost. */
session.renew = used => {
  // Somebody else may have signed in meanwhile.
  if (session.token && session.token !== used) return Promise.resolve();
  renewing ??= dialog('Your session has ended', close =>
    tokenForm(close, 'The token has expired or was revoked. Paste a new one to go on where you were.'), { lasting: true },
  ).then(async signedIn => {
    renewing = null;
    if (!signedIn) {
      signOut();
      throw new ApiError('Sign in again.', 'UNAUTHENTICATED');
    }
    const moved = signedIn.business.id !== viewer?.business.id;
    viewer = signedIn;
    useBusiness(viewer.business);
    // What belongs to another shop is not shown in this one.
    if (moved) location.reload();
    else drawHeader(read().parts[0] ?? '');
  });
  return renewing;
};

/** Settings of the business are read anew after they were changed. */
export async function refreshViewer() {
  viewer = (await ask(VIEWER)).viewer;
  useBusiness(viewer.business);
  drawHeader(read().parts[0] ?? '');
}

onTrouble.add(value => { trouble.hidden = !value; });
document.body.append(header, busy, trouble, main, spoken);
start(show);
begin();
