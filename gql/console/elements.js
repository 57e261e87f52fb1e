// Elements of pages, made by the DOM's own calls: text is always text and never markup, which the policy demands, too.
// What more than one page shows (tables, pagers, dialogs, states of loading) stands here once.

import { resolve } from './api.js';
import { address } from './router.js';

const SVG = 'http://www.w3.org/2000/svg';

/** An HTML element. `on…` are listeners; null, undefined and false attributes and children are left out. */
export function h(tag, attributes, ...children) {
  return build(document.createElement(tag), attributes, children);
}

/** An SVG element, likewise. */
export function s(tag, attributes, ...children) {
  return build(document.createElementNS(SVG, tag), attributes, children);
}

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked' || name === 'selected') element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...flatten(children));
  return element;
}

function flatten(children) {
  return children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false);
}

/** Put other children into an element; returns the element. */
export function fill(element, ...children) {
  element.replaceChildren(...flatten(children));
  return element;
}

let lastId = 0;
/** An id for what a label, a description or a table of values refers to. */
export const makeId = prefix => `${prefix}-${++lastId}`;

/** A name of the shop's, in whichever script and direction it is written. */
export const name = text => h('bdi', { class: 'name' }, text);

/** A link to a page of the console. */
export const link = (children, path, query) => h('a', { href: address(path, query) }, children);

const ERASED = '[erased]';
/** Where a customer's page is. Whoever was erased has no id of the shop's any more, and is found by the lasting one. */
export const customerAddress = ({ id, externalId }) => (externalId === ERASED
  ? address('/customers/erased', { id }) : address(`/customers/${encodeURIComponent(externalId)}`));

/** A customer as a link: the name where there is one, else the shop's own id. */
export function customerLink(customer) {
  const called = customer.name || (customer.externalId === ERASED ? 'Erased customer' : customer.externalId);
  return h('a', { href: customerAddress(customer) }, name(called));
}

export const segmentLink = segment =>
  h('a', { href: address(`/segments/${encodeURIComponent(segment.key)}`) }, name(segment.name));

/** A button. While its work goes on it says so and takes no second click; what the work throws stands beside it. */
export function button(label, work, { kind = '', ...attributes } = {}) {
  const failed = h('span', { class: 'failed', role: 'alert' });
  const element = h('button', { type: 'button', class: kind, ...attributes, onclick: async event => {
    if (element.getAttribute('aria-busy') === 'true') return;
    element.setAttribute('aria-busy', 'true');
    fill(failed);
    try {
      await work(event);
    } catch (error) {
      if (error.name !== 'AbortError') fill(failed, error.message);
    } finally {
      element.removeAttribute('aria-busy');
    }
  } }, label);
  return h('span', { class: 'action' }, element, failed);
}

/** A labelled control with a hint, and a place for what is wrong with it: `fail(sentence)`, `fail('')` when mended. */
export function field(label, control, hint = '') {
  control.id ||= makeId('field');
  const [hintId, wrongId] = [`${control.id}-hint`, `${control.id}-wrong`];
  const wrong = h('span', { class: 'failed', id: wrongId, role: 'alert' });
  control.setAttribute('aria-describedby', hint ? `${hintId} ${wrongId}` : wrongId);
  const element = h('div', { class: 'field' },
    h('label', { for: control.id }, label), control, hint && h('small', { id: hintId }, hint), wrong);
  element.control = control;
  element.fail = sentence => {
    fill(wrong, sentence);
    if (sentence) control.setAttribute('aria-invalid', 'true');
    else control.removeAttribute('aria-invalid');
  };
  return element;
}

/** A list to choose one of: options are [value, text] pairs. */
export function choice(options, value, attributes = {}) {
  return h('select', attributes, options.map(([each, text]) =>
    h('option', { value: each, selected: String(each) === String(value ?? '') }, text)));
}

/** A field to search by, whose text is in the address of the page as `key`: it follows a pause in typing. */
export function searchField(page, label, key = 'search', hint = '') {
  let waiting;
  const change = () => {
    clearTimeout(waiting);
    page.change({ [key]: control.value.trim(), after: '', before: '' }, { replace: true });
  };
  const control = h('input', {
    type: 'search', id: `search-${key}`, value: page.query.get(key) ?? '', autocomplete: 'off', dir: 'auto',
    oninput: () => { clearTimeout(waiting); waiting = setTimeout(change, 350); },
    onkeydown: event => event.key === 'Enter' && change(),
  });
  page.signal.addEventListener('abort', () => clearTimeout(waiting));
  return field(label, control, hint);
}

/**
 * A field that finds things while one types, and the things as buttons below it. `find(text, signal)` gives them,
 * `show(thing)` what stands on the button, and `choose(thing)` is what a button does.
 */
export function finder(label, { find, show, choose, hint = '', id = makeId('find') }) {
  const found = h('ul', { class: 'list' });
  const told = h('p', { class: 'soft', role: 'status' });
  let waiting;
  let asking;
  const look = async () => {
    asking?.abort();
    const { signal } = (asking = new AbortController());
    try {
      const things = await find(control.value.trim(), signal);
      fill(told, things.length || !control.value ? '' : `Nothing is found by “${control.value}”.`);
      fill(found, things.map(thing => h('li', null, button(show(thing), () => choose(thing)))));
    } catch (error) {
      if (error.name !== 'AbortError') fill(told, error.message);
    }
  };
  const control = h('input', {
    type: 'search', autocomplete: 'off', dir: 'auto', id,
    oninput: () => { clearTimeout(waiting); waiting = setTimeout(look, 250); },
  });
  look();
  return h('div', { class: 'stack finder' }, field(label, control, hint), told, found);
}

/** A choice that is in the address of the page as `key`; an empty value leaves it out. */
export function choiceField(page, label, options, key, standard = '') {
  const control = choice(options, page.query.get(key) ?? standard, {
    id: `choice-${key}`,
    onchange: () => page.change({ [key]: control.value === standard ? '' : control.value, after: '', before: '' }),
  });
  return field(label, control);
}

/**
 * A table. Each column: `title`, `cell(row)`, and as needed `number` (set to the right), `sort` (a value of the sort
 * enum). With `page`, titles of sortable columns are links that change `sort` and `reverse` in the address; without
 * them there the order is that of the options. With `cards`, a row is a card of its own where the page is narrow.
 */
export function table(caption, columns, rows, { page = null, sort = '', reverse = false, cards = false, empty = 'There is nothing here yet.' } = {}) {
  if (!rows.length) return h('p', { class: 'empty' }, empty);
  const sorted = page && (page.query.get('sort') ?? sort);
  const reversed = page?.query.has('sort') ? page.query.get('reverse') === 'true' : reverse;
  const head = column => {
    const [current, attributes] = [page && column.sort && sorted === column.sort, { scope: 'col' }];
    if (column.number) attributes.class = 'number';
    if (current) attributes['aria-sort'] = reversed ? 'descending' : 'ascending';
    if (!page || !column.sort) return h('th', attributes, column.title);
    const next = { sort: column.sort, reverse: current ? (reversed ? '' : 'true') : column.number ? 'true' : '' };
    return h('th', attributes, h('a', { id: `sort-${column.sort}`, href: page.address({ ...next, after: '', before: '' }) },
      column.title, h('span', { class: 'arrow', 'aria-hidden': 'true' }, current ? (reversed ? '↓' : '↑') : '↕')));
  };
  const cell = (column, row, place) => h(place ? 'td' : 'th',
    { scope: place ? null : 'row', class: column.number ? 'number' : null, 'data-title': column.title }, column.cell(row));
  return h('div', { class: cards ? 'wide cards' : 'wide', tabindex: '0', role: 'region', 'aria-label': caption }, h('table', null,
    h('caption', { class: 'unseen' }, caption),
    h('thead', null, h('tr', null, columns.map(head))),
    h('tbody', null, rows.map(row => h('tr', null, columns.map((column, place) => cell(column, row, place)))))));
}

/** Links to the pages before and after one of a connection; its cursors are in the address as `after` and `before`. */
export function pager(page, { pageInfo, totalCount }, unit, { after = 'after', before = 'before' } = {}) {
  const back = pageInfo.hasPreviousPage && before
    ? page.address({ [before]: pageInfo.startCursor, [after]: '' })
    : page.query.get(after) && page.address({ [after]: '', [before]: '' });
  if (!back && !pageInfo.hasNextPage && totalCount === undefined) return null;
  return h('nav', { class: 'pager', 'aria-label': `Pages of ${unit}` },
    back && h('a', { id: `previous-${after}`, href: back, rel: 'prev' }, pageInfo.hasPreviousPage && before ? 'Previous' : 'First page'),
    totalCount !== undefined && h('span', { class: 'soft' }, `${totalCount.toLocaleString()} ${totalCount === 1 ? unit.replace(/s$/, '') : unit}`),
    pageInfo.hasNextPage && h('a', { id: `next-${after}`, href: page.address({ [after]: pageInfo.endCursor, [before]: '' }), rel: 'next' }, 'Next'));
}

/** The arguments that ask for the page that the address names. */
export function pageArguments(page, size = 50) {
  const [after, before] = [page.query.get('after'), page.query.get('before')];
  return before ? { last: size, before } : { first: size, after };
}

/** A part of a page with a heading of its own; `actions` stand beside the heading. */
export function panel(title, { actions = null, wide = false, id = makeId('panel') } = {}, ...children) {
  return h('section', { class: wide ? 'panel whole' : 'panel', 'aria-labelledby': id },
    h('div', { class: 'panel-head' }, h('h2', { id }, title), actions), children);
}

/** A headline figure: what it is, how much, and in smaller letters what it compares with. */
export const figure = (label, value, ...notes) =>
  h('div', { class: 'figure' }, h('dt', null, label), h('dd', null, h('strong', null, value), notes));

export const figures = (...children) => h('dl', { class: 'figures' }, children);

/** A short word in a frame; the tone is good, watch, bad or nothing. */
export const tag = (text, tone = '') => h('span', { class: `tag ${tone}` }, text);

/** Something to be told: `error`, `warning`, `done` or `info`. */
export function notice(kind, ...children) {
  return h('div', { class: `notice ${kind}`, role: kind === 'error' ? 'alert' : 'status' }, children);
}

/** A link to another view of the same page, marked where it is the one that is shown. */
export function tabs(page, label, views, key = 'view', standard = views[0][0]) {
  const shown = page.query.get(key) ?? standard;
  return h('nav', { class: 'tabs', 'aria-label': label }, views.map(([value, text]) => h('a', {
    id: `tab-${key}-${value}`, 'aria-current': value === shown ? 'page' : null,
    href: page.address({ [key]: value === standard ? '' : value, after: '', before: '' }),
  }, text)));
}

/** A bar that says how far something is: a fraction of 0 to 1, or nothing where that is not known. */
export function progress(label) {
  const bar = h('progress', { max: '1', 'aria-label': label });
  const text = h('span', { class: 'soft' });
  const element = h('div', { class: 'progress' }, bar, text);
  element.show = (fraction, words) => {
    if (fraction === null) bar.removeAttribute('value');
    else bar.value = fraction;
    fill(text, words);
  };
  return element;
}

/** What is shown until `work` has its content, and what went wrong where it fails, with a second try; `done` is kept then. */
export function later(page, work, waiting = 'Loading …') {
  const element = h('div', { class: 'later', 'aria-busy': 'true' }, h('p', { class: 'soft' }, waiting));
  const run = async () => {
    try {
      const content = await work();
      if (!page.signal.aborted) fill(element, content);
    } catch (error) {
      if (page.signal.aborted || error.name === 'AbortError') return;
      fill(element, notice('error', error.message, ' ', button('Try again', run)));
    } finally {
      element.removeAttribute('aria-busy');
    }
  };
  element.done = run();
  return element;
}

/**
 * A question over the page. `build(close)` gives the content; what `close` is called with is what is returned, null
 * where it was closed by Escape. The focus goes back to where it was. It ends with the page that it belongs to, unless it
 * is a lasting one.
 */
export function dialog(title, build, { lasting = false } = {}) {
  const id = makeId('dialog');
  return new Promise(resolve => {
    let answer = null;
    const close = value => { answer = value ?? null; element.close(); };
    const leave = () => element.close();
    const element = h('dialog', { 'aria-labelledby': id, onclose: () => {
      removeEventListener('hashchange', leave);
      element.remove();
      resolve(answer);
    } }, h('h2', { id }, title), build(close));
    if (!lasting) addEventListener('hashchange', leave);
    document.body.append(element);
    element.showModal();
  });
}

/** Ask before something that cannot be taken back; true where it was confirmed and `work` succeeded. */
export function confirm(title, sentences, action, work, kind = 'danger') {
  return dialog(title, close => [
    sentences.map(sentence => h('p', null, sentence)),
    h('div', { class: 'actions' },
      button(action, async () => { await work(); close(true); }, { kind }),
      button('Cancel', () => close(false), { autofocus: true })),
  ]);
}

/** Give a file that was made here to whoever sits before the page. */
export function save(fileName, blob) {
  const url = URL.createObjectURL(blob);
  h('a', { href: url, download: fileName }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Open a file of the server by the path of its link, which says itself that it is to be saved. */
export const download = path => h('a', { href: resolve(path), download: '' }).click();
