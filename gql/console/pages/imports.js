// Files of purchases: one is dropped here, looked at and corrected before anything of it is written, and then sent; below
// stand all imports, those that are worked on with how far they are. A file that was chosen stays while one looks at
// other pages of the console.

import { Refused, ask, change, makeKey, sendFile } from '../api.js';
import { button, field, fill, h, link, name, notice, pageArguments, pager, panel, progress, save, table, tag } from '../elements.js';
import { Corrections, showInspection, toParameters } from '../inspection.js';
import { follow } from '../live.js';
import { read } from '../router.js';
import { addDays, ago, count, instant, number, percent, today } from '../words.js';

const IMPORTS = /* GraphQL */ `
  query Imports($first: Int, $after: String) {
    imports(first: $first, after: $after) {
      totalCount
      nodes {
        id source status createdAt undoneAt rowsRead created updated unchanged rejected
        undo { begunAt }
        progress { done total fraction phase }
        error { message }
      }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
    sourceFormats { name preset }
  }
`;

const PROGRESS = /* GraphQL */ `
  subscription ImportProgress($id: ID!) {
    jobProgress(id: $id) { id status progress { done total fraction phase } }
  }
`;

const SAVE_FORMAT = /* GraphQL */ `
  mutation SaveSourceFormat($name: String!, $settings: JSON!) {
    saveSourceFormat(name: $name, settings: $settings) {
      sourceFormat { name }
      userErrors { message code field }
    }
  }
`;

// By how a name ends; what browsers say of a file depends on what is installed beside them.
const TYPES = {
  csv: 'text/csv', tsv: 'text/csv', txt: 'text/csv', gz: 'application/gzip', zip: 'application/zip',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', xls: 'application/vnd.ms-excel',
  ods: 'application/vnd.oasis.opendocument.spreadsheet', json: 'application/json', jsonl: 'application/jsonl', ndjson: 'application/x-ndjson',
};
const CUT = ['csv', 'tsv', 'txt', 'jsonl', 'ndjson'];
const BEGINNING = 16 * 1024 * 1024;
const MIB = 1024 * 1024;
const LONGEST_NAME = 200;

/** The file that was chosen, with what is said of it; of one business. */
let draft = null;

export async function show(page) {
  const data = await ask(IMPORTS, pageArguments(page, 20), { signal: page.signal });
  if (draft && draft.business !== page.viewer.business.id) draft = null;
  const { imports, sourceFormats } = data;
  const place = h('div', { class: 'stack' });
  const offer = () => fill(place, draft ? draft.element : chooser(page, file => take(page, file, sourceFormats, offer)));
  if (page.mayEdit) {
    offer();
    catchDrops(page, place, file => take(page, file, sourceFormats, offer));
  } else {
    fill(place, notice('info', 'This token may look at imports. To import a file, or to take one back, it needs the permission customers:edit.'));
  }
  return page.view('Imports', {
    lead: 'Files of purchases: looked at before anything is written, counted row by row, and taken back where they were wrong.',
  }, place, panel('All imports', {}, list(page, imports), imports.totalCount > 0 && pager(page, imports, 'imports', { before: '' })));
}

/** A place to drop a file on, which is a button for whoever has no mouse. */
function chooser(page, choose) {
  const input = h('input', { type: 'file', id: 'file', onchange: () => input.files[0] && choose(input.files[0]) });
  return panel('Import a file', {},
    h('div', { class: 'drop' },
      field('Drop a file of purchases here, or choose one', input,
        'CSV and other text, Excel, LibreOffice, JSON; also compressed. Exports of Shopify, WooCommerce, Square and some 30 others are known by their columns.')),
    h('div', { class: 'row' },
      h('span', { class: 'soft' }, 'Nothing is written before you say so.'),
      button('Save a sample file', () => save('sample-purchases.csv', new Blob([makeSample()], { type: 'text/csv' })), { kind: 'quiet' })),
    h('details', { id: 'elsewhere' }, h('summary', null, 'Files of customers, and what else there is'),
      h('p', null, 'A file needs a customer, a date and an amount in each row; an order id keeps the rows of one order together.'),
      h('p', null, 'Names, e-mails and levels of customers come with a file of customers, which the command line reads:'),
      h('pre', { tabindex: '0' }, `segments import-customers customers.csv --business ${page.viewer.business.key}`),
      h('p', null, 'So do collections of MongoDB, and folders whose files are imported as they come:'),
      h('pre', { tabindex: '0' }, `segments import --source mongodb --database shop --collection purchases --business ${page.viewer.business.key}\nsegments watch exports/ --business ${page.viewer.business.key}`)));
}

/** A file that falls anywhere on the page is taken; elsewhere the browser would show it in place of the console. */
function catchDrops(page, place, choose) {
  const { signal } = page;
  const mark = over => place.classList.toggle('dropping', over);
  const holdsFile = event => event.dataTransfer?.types.includes('Files');
  window.addEventListener('dragover', event => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    mark(true);
  }, { signal });
  window.addEventListener('dragleave', event => event.relatedTarget || mark(false), { signal });
  window.addEventListener('drop', event => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    mark(false);
    const [file] = event.dataTransfer.files;
    if (file && !draft?.sending) choose(file);
  }, { signal });
}

function makeSample() {
  const days = [-3, -3, -12, -40, -95, -200].map(back => addDays(today(), back));
  const rows = [
    ['C-1001', 'A-1', days[0], '24.50', 'Shoes'], ['C-1001', 'A-1', days[1], '8.00', 'Socks'], ['C-1002', 'A-2', days[2], '119.00', 'Coats'],
    ['C-1003', 'A-3', days[3], '42.00', 'Shoes'], ['C-1001', 'A-4', days[4], '15.25', 'Hats'], ['C-1004', 'A-5', days[5], '61.90', 'Coats'],
  ];
  return ['customer_id,order_id,date,amount,category', ...rows.map(row => row.join(','))].join('\r\n') + '\r\n';
}

/** Begin with a file: it stays in its element until it is sent or put away. */
function take(page, file, formats, offer) {
  draft?.ending.abort();
  const ending = new AbortController();
  const state = h('div', { class: 'stack' });
  const content = h('div', { class: 'stack' });
  const start = h('span', null);
  const putAway = () => { ending.abort(); draft = null; offer(); document.getElementById('file')?.focus(); };
  const away = button('Choose another file', putAway);
  const mine = draft = {
    page, file, formats, ending, state, content, offer, business: page.viewer.business.id, corrections: new Corrections(), sending: false,
    start, element: panel(file.name, { actions: h('div', { class: 'actions' }, start, away) }, state, content),
  };
  offer();
  mine.element.querySelector('h2').setAttribute('dir', 'auto');
  inspect(mine);
}

const findEnding = file => file.name.toLowerCase().split('.').pop();
// What a file of another name is, the server finds out as well as it does for a text.
const findType = file => TYPES[findEnding(file)] ?? TYPES.csv;

/** The file, or of a large one of lines whole lines from its beginning. */
async function cutBeginning(file) {
  if (file.size <= 2 * BEGINNING || !CUT.includes(findEnding(file))) return file;
  const bytes = new Uint8Array(await file.slice(0, BEGINNING).arrayBuffer());
  const wide = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  const end = bytes.lastIndexOf(0x0a) + 1;
  return file.slice(0, wide ? end + (end % 2) : end || BEGINNING);
}

/** Look at the file with what is said of it by now; an answer that was overtaken is not shown. */
async function inspect(mine) {
  mine.looking?.abort();
  const looking = mine.looking = new AbortController();
  const signal = AbortSignal.any([looking.signal, mine.ending.signal]);
  const bar = progress(`Looking at ${mine.file.name}`);
  fill(mine.state, bar);
  mine.content.setAttribute('aria-busy', 'true');
  try {
    const part = await cutBeginning(mine.file);
    const { corrections } = mine;
    const query = [['name', mine.file.name.slice(-LONGEST_NAME)], ...(toParameters(corrections.format) ?? []),
      ...corrections.declined.map(key => ['declined', key]), ...(corrections.kept ? [['format', corrections.kept]] : [])];
    const found = await sendFile(`imports/inspect?${new URLSearchParams(query)}`, part, findType(mine.file), {
      signal, told: (sent, size) => (sent < size ? bar.show(sent / size, `Sending: ${percent(sent / size, 0)}`) : bar.show(null, 'Looking at the rows …')),
    });
    fill(mine.state, part !== mine.file && notice('info',
      `This is what the first ${number(Math.round(part.size / MIB))} MiB of ${number(Math.round(mine.file.size / MIB))} hold; all of it is read when it is imported.`));
    fill(mine.start, showStart(mine, found));
    refill(mine.content, showInspection(found, corrections, mine.formats, work => { work(); inspect(mine); }), showEnd(mine, found));
    mine.page.say(found.refusal ?? `${count(found.result?.rows_accepted ?? 0, 'row')} would come in.`);
  } catch (error) {
    if (error.name === 'AbortError') return;
    fill(mine.state, notice('error', error.message, ' ', button('Try again', () => inspect(mine))));
  } finally {
    if (mine.looking === looking) mine.content.removeAttribute('aria-busy');
  }
}

/** Other content in place of one that has the same controls: the focus, and what is open, stay. */
function refill(element, ...content) {
  const focused = element.contains(document.activeElement) ? document.activeElement.id : '';
  const open = [...element.querySelectorAll('details[open]')].map(each => each.id);
  fill(element, content);
  for (const each of element.querySelectorAll('details[id]')) each.open ||= open.includes(each.id);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

/** The format of the file can be kept by a name, and the same be done in a terminal. */
function showEnd(mine, found) {
  if (found.refusal) return null;
  const input = h('input', { id: 'format-name', autocomplete: 'off', spellcheck: 'false', value: mine.called ?? '', oninput: () => { mine.called = input.value.trim(); } });
  const named = field('Keep all this as a format named', input, 'Then the next file of this kind is read by it. Lower-case letters, digits, - and _.');
  const keep = button('Keep', async () => {
    named.fail('');
    try {
      const { sourceFormat } = await change(SAVE_FORMAT, { name: input.value.trim(), settings: JSON.stringify(found.format) });
      mine.formats = [...mine.formats.filter(one => one.name !== sourceFormat.name), { name: sourceFormat.name, preset: false }];
      mine.corrections.keep(sourceFormat.name);
      await inspect(mine);
      mine.page.say(`Kept as ${sourceFormat.name}.`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      named.fail(error.message);
      input.focus();
    }
  }, { id: 'keep' });
  return h('div', { class: 'stack' },
    found.source_format ? h('p', null, 'It is read by the kept format ', name(found.source_format), '.')
      : h('div', { class: 'toolbar ending' }, named, keep),
    found.command && h('details', { id: 'command' }, h('summary', null, 'The same in a terminal'),
      h('pre', { tabindex: '0' }, found.command),
      button('Copy', () => navigator.clipboard.writeText(found.command), { kind: 'quiet' })));
}

/** Import it as it was looked at; where parameters cannot say that, once it is kept as a format. */
function showStart(mine, found) {
  const parameters = toParameters(found.format);
  if (found.refusal || !found.result?.rows_accepted) return null;
  if (!parameters) return h('span', { class: 'soft' }, 'Keep it as a format below, then it can be imported.');
  if (found.source_format) parameters.push(['format', found.source_format]);
  return button(`Import ${count(found.result.rows_accepted, 'row')}`, () => send(mine, parameters), { kind: 'primary', id: 'import' });
}

/** Send the file to be imported, and go to its import. */
async function send(mine, parameters) {
  const bar = progress(`Sending ${mine.file.name}`);
  const warn = event => event.preventDefault();
  fill(mine.state, bar);
  mine.state.scrollIntoView({ block: 'nearest' });
  mine.sending = true;
  window.addEventListener('beforeunload', warn);
  try {
    const query = new URLSearchParams([['name', mine.file.name.slice(-LONGEST_NAME)], ...parameters]);
    const { id } = await sendFile(`imports/purchases?${query}`, mine.file, findType(mine.file), {
      signal: mine.ending.signal, headers: { 'Idempotency-Key': makeKey() },
      told: (sent, size) => bar.show(sent / size, `Sent ${number(Math.floor(sent / MIB))} of ${number(Math.ceil(size / MIB))} MiB`),
    });
    draft = null;
    mine.page.say(`${mine.file.name} was sent and is being imported.`);
    if (read().path === '/imports') mine.page.go(`/imports/${encodeURIComponent(id)}`);
  } catch (error) {
    fill(mine.state);
    throw error;
  } finally {
    mine.sending = false;
    window.removeEventListener('beforeunload', warn);
  }
}

const STATES = {
  QUEUED: ['waits', ''], RUNNING: ['being imported', 'watch'], SUCCEEDED: ['imported', 'good'], FAILED: ['failed', 'bad'], CANCELLED: ['cancelled', 'watch'],
};

function list(page, { nodes }) {
  const state = one => {
    if (one.undoneAt) return tag('taken back');
    if (one.undo) return tag('being taken back', 'watch');
    if (one.status !== 'QUEUED' && one.status !== 'RUNNING') {
      return h('div', null, tag(...STATES[one.status]), one.error && h('div', { class: 'soft' }, one.error.message));
    }
    const bar = progress(`Progress of ${one.source}`);
    const tell = ({ status, progress: { done, total, fraction, phase } }) => {
      const known = status === 'RUNNING' && total !== null;
      bar.show(known ? fraction : null, status === 'QUEUED' ? 'waits' : `${phase}: ${known ? percent(fraction, 0) : count(done, 'row')}`);
    };
    tell(one);
    follow(PROGRESS, { id: one.id }, ({ jobProgress }) => tell(jobProgress), { signal: page.signal })
      .then(() => page.signal.aborted || page.reload(), error => bar.show(null, error.message));
    return bar;
  };
  return table('Imports, newest first', [
    { title: 'File', cell: one => link(name(one.source), `/imports/${encodeURIComponent(one.id)}`) },
    { title: 'State', cell: state },
    { title: 'Asked for', cell: one => h('time', { datetime: one.createdAt, title: instant(one.createdAt) }, ago(one.createdAt)) },
    { title: 'Rows', number: true, cell: one => number(one.rowsRead) },
    { title: 'New', number: true, cell: one => number(one.created) },
    { title: 'Changed', number: true, cell: one => number(one.updated) },
    { title: 'As before', number: true, cell: one => number(one.unchanged) },
    { title: 'Rejected', number: true, cell: one => (one.rejected ? h('span', { class: 'watch' }, number(one.rejected)) : '0') },
  ], nodes, { empty: 'No file has been imported yet. Begin with one above.' });
}
