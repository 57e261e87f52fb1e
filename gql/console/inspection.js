// What a file looks like before anything of it is written, as POST /imports/inspect tells it, with a control for each
// thing that may be corrected. A correction is an entry of a format (docs/sources.md); what is said is looked at again.

import { choice, field, figure, figures, h, name, notice, table, tag } from './elements.js';
import { count, day, money, number, title } from './words.js';

/** Fields of rows, by what they are called in formats, in the order in which people look for them. */
export const FIELDS = [
  ['customer_id', 'Customer id'], ['order_id', 'Order id'], ['purchase_date', 'Date'], ['purchase_time', 'Time of the day'],
  ['time_zone', 'Time zone'], ['amount', 'Amount'], ['currency', 'Currency'], ['status', 'Status'], ['category', 'Category'],
  ['product', 'Product'], ['sku', 'SKU'], ['quantity', 'Quantity'], ['unit_price', 'Unit price'], ['discount', 'Discount'],
  ['tax', 'Tax'], ['shipping', 'Shipping'], ['tip', 'Tip'], ['fee', 'Fee'], ['refunded', 'Paid back'],
  ['refunded_order_id', 'Order that is paid back'], ['storefront', 'Storefront'], ['storefront_name', 'Name of the storefront'],
  ['channel', 'Channel'], ['name', 'Customer’s name'], ['first_name', 'First name'], ['last_name', 'Last name'],
  ['email', 'E-mail'], ['phone', 'Phone'], ['country', 'Country'], ['city', 'City'], ['loyalty_level', 'Loyalty level'],
];
const STATUSES = ['COMPLETED', 'PARTIAL', 'PENDING', 'REFUNDED', 'CANCELLED'];
const MOST_STATUSES = 40;
const ENCODINGS = ['utf-8', 'utf-16', 'windows-1252', 'windows-1250', 'windows-1251', 'windows-1256', 'iso-8859-15', 'shift_jis', 'gb18030', 'big5', 'euc-kr'];
const ATTRIBUTE = 'attribute:';

// What else can be said: the key of the format, its label, how it is chosen, and a hint. A list of choices is a select;
// `found` is what holds now where nothing is said.
const FURTHER = [
  ['encoding', 'Encoding', 'text', 'Such as windows-1252', ENCODINGS],
  ['delimiter', 'Between cells', [',', ';', 'tab', '|', 'whitespace']],
  ['skip_lines', 'Lines before the header', 'number'],
  ['sheet', 'Sheet of the workbook', 'text'],
  ['date_format', 'Form of dates', 'text', 'Such as %d/%m/%Y', ['%d/%m/%Y', '%m/%d/%Y', '%d.%m.%Y', '%Y-%m-%d', 'excel', 'epoch']],
  ['file_time_zone', 'Time zone of the file', 'text', 'Such as Asia/Colombo'],
  ['decimal', 'Sign before decimals', ['.', ',']],
  ['thousands', 'Sign between thousands', [',', '.', '\'', 'space']],
  ['currency_sign', 'Sign beside amounts', 'text', 'Such as € or Rs.'],
  ['negative', 'Amounts below zero', ['minus', 'brackets', 'trailing']],
  ['round', 'Round further decimals', ['true', 'false']],
  ['amount', 'A row has the amount of', [['line', 'the row'], ['order', 'its whole order']]],
  ['orders', 'Without order ids, an order is', [['row', 'a row'], ['customer_day', 'what a customer bought on a day'], ['customer_instant', 'what a customer bought at once']]],
  ['order_id_scope', 'Order ids are unique within', ['customer', 'storefront', 'year']],
  ['guests', 'Orders without a customer', [['reject', 'are rejected'], ['each', 'are a customer each']]],
  ['fill_down', 'Empty cells repeat the row above', ['true', 'false']],
  ['append_lines', 'Rows of known orders', [['false', 'replace the order'], ['true', 'are added to it']]],
];
const KINDS = { round: 'flag', fill_down: 'flag', append_lines: 'flag', skip_lines: 'number', date_format: 'list' };

const squeeze = text => text.toLowerCase().replace(/[\s_-]/g, '');

/** What formats call each column: its name, with its number where several have it. */
function nameColumns(columns) {
  return columns.map(({ name: text }, place) => {
    const same = columns.filter(other => squeeze(other.name) === squeeze(text));
    return same.length === 1 ? text : `${text}#${columns.slice(0, place + 1).filter(other => squeeze(other.name) === squeeze(text)).length}`;
  });
}

/** What is said of a file: entries of a format, and the doubts that were answered, some of them by saying nothing. */
export class Corrections {
  format = {};
  answers = new Map();
  /** The name of a kept format that the rest builds on. */
  kept = '';

  get declined() {
    return [...this.answers.values()].filter(({ says }) => !Object.keys(says).length).map(({ doubt }) => doubt.key);
  }

  /** All of it was kept under the name: nothing else needs to be said. */
  keep(named) {
    Object.assign(this, { format: {}, answers: new Map(), kept: named });
  }

  /** Say something; an empty value takes it back. */
  say(key, value) {
    if (value === '') delete this.format[key];
    else if (KINDS[key] === 'flag') this.format[key] = value === 'true';
    else if (KINDS[key] === 'number') this.format[key] = Number(value);
    else this.format[key] = KINDS[key] === 'list' ? [value] : value;
  }

  /** A column is that field, and no other is; without one it is left out. */
  setField(column, of) {
    const { columns = {}, ignore = [] } = this.format;
    const others = Object.entries(columns).filter(([other, its]) => other !== column && its !== of);
    this.format.columns = Object.fromEntries(of ? [...others, [column, of]] : others);
    this.format.ignore = ignore.filter(other => other !== column).concat(of ? [] : [column]);
  }

  setStatus(word, status) {
    this.format.statuses = { ...this.format.statuses, [word]: status };
    if (!status) delete this.format.statuses[word];
  }

  answer(doubt, place) {
    const says = doubt.choices[place].format;
    // Another answer than before takes back what that one said.
    for (const [key, value] of Object.entries(this.answers.get(doubt.key)?.says ?? {})) {
      if (typeof value === 'object' && !Array.isArray(value)) for (const entry of Object.keys(value)) delete this.format[key]?.[entry];
      else delete this.format[key];
    }
    this.answers.set(doubt.key, { doubt, place, says });
    for (const [key, value] of Object.entries(says)) {
      const joined = typeof value === 'object' && !Array.isArray(value);
      this.format[key] = joined ? { ...this.format[key], ...value } : value;
    }
  }
}

/** A format as the query of an upload; null where parameters cannot say it and it has to be kept by name. */
export function toParameters(format) {
  const stated = { columns: 'map', statuses: 'status' };
  const pairs = [];
  for (const [key, value] of Object.entries(format)) {
    if (stated[key]) pairs.push(...Object.entries(value).map(([one, of]) => [stated[key], `${one}=${of}`]));
    else if (Array.isArray(value)) pairs.push(...value.map(one => [key, one]));
    else if (typeof value === 'object') return null;
    else pairs.push([key, String(value)]);
  }
  return pairs;
}

/** All of an inspection. `change(work)` lets the corrections be changed by `work`, and the file be looked at again. */
export function showInspection(found, corrections, formats, change) {
  return h('div', { class: 'stack' },
    h('p', null, describeFile(found)),
    showResult(found),
    showDoubts(found, corrections, change),
    h('h3', null, 'Columns'),
    showColumns(found, corrections, change),
    found.statuses.length > 0 && showStatuses(found, corrections, change),
    found.findings.length > 0 && h('div', { class: 'stack' }, h('h3', null, 'What else was seen'),
      h('ul', null, found.findings.map(text => h('li', { dir: 'auto' }, text)))),
    h('details', { id: 'further' }, h('summary', null, 'Say more about the file'),
      showFurther(found, corrections, formats, change)));
}

function describeFile({ rows, encoding, delimiter, header_line: line, preset, dates }) {
  const parts = [
    count(rows, 'row'), encoding,
    delimiter && `cells parted by ${{ tab: 'tabs', space: 'spaces', whitespace: 'white space' }[delimiter] ?? `“${delimiter}”`}`,
    line ? `header on line ${number(line)}` : 'no header',
    dates.forms?.length && `dates as ${dates.forms.join(' or ')}`,
    `times without a zone as in ${dates.time_zone}`,
  ];
  const known = preset && (preset.missing.length
    ? ` Nearly ${preset.title}, but for ${preset.missing.join(', ')}.` : ` It is ${preset.title}, and read as such.`);
  return [`${parts.filter(Boolean).join(', ')}.`, known];
}

function showResult({ result, refusal, amounts }) {
  if (refusal) return notice('warning', h('strong', null, 'It cannot be imported yet. '), refusal, ' What is missing can be said below.');
  if (!result) return null;
  const least = result.is_lower_bound ? 'at least' : null;
  return figures(
    figure('Rows that would come in', number(result.rows_accepted),
      result.rows_rejected ? h('span', { class: 'watch' }, `${count(result.rows_rejected, 'row')} would be rejected`) : 'all of them'),
    figure('Orders', number(result.orders), least),
    figure('Customers', number(result.customers), least),
    figure('Amount', money(result.amount), `decimals after “${amounts.decimal}”${amounts.thousands ? `, thousands by “${amounts.thousands}”` : ''}`),
    figure('Days', result.first_day ? `${day(result.first_day)} – ${day(result.last_day)}` : '–',
      result.future_rows > 0 && `${count(result.future_rows, 'row')} in the future`));
}

function showDoubts({ doubts }, corrections, change) {
  const answered = [...corrections.answers.values()];
  const open = doubts.filter(({ key }) => !corrections.answers.has(key)).map(doubt => ({ doubt, place: doubt.default, open: true }));
  if (!answered.length && !open.length) return null;
  return h('div', { class: 'stack' }, h('h3', null, 'What is doubtful'),
    [...answered, ...open].map(({ doubt, place, open: proposed }) => h('fieldset', { class: 'doubt' },
      h('legend', { dir: 'auto' }, doubt.question),
      doubt.choices.map((one, at) => {
        const id = `doubt-${doubt.key}-${at}`;
        return h('div', { class: 'row' },
          h('input', { type: 'radio', id, name: `doubt-${doubt.key}`, checked: at === place, onchange: () => change(() => corrections.answer(doubt, at)) }),
          h('label', { for: id, dir: 'auto' }, one.words), proposed && at === place && tag('proposed'));
      }))));
}

function showColumns({ columns }, corrections, change) {
  const called = nameColumns(columns);
  const known = new Set(FIELDS.map(([value]) => value));
  const pick = (column, place) => {
    const own = !column.field || known.has(column.field) ? [] : [[column.field, column.field.replace(ATTRIBUTE, 'Attribute ')]];
    const attribute = `${ATTRIBUTE}${column.name.replace(/[^\p{L}\p{N}_-]+/gu, '_').slice(0, 64)}`;
    const options = [['', 'Left out'], ...FIELDS, ...own, ...(own.length ? [] : [[attribute, 'Kept as an attribute']])];
    const control = choice(options, column.field ?? '', {
      id: `column-${place}`, 'aria-label': `Field of the column ${column.name}`,
      onchange: () => change(() => corrections.setField(called[place], control.value)),
    });
    const sure = { doubtful: 'watch', proposed: '' }[column.certainty];
    return h('span', { class: 'row' }, control, sure !== undefined && tag(column.certainty, sure));
  };
  return table('Columns of the file and the fields that they are', [
    { title: 'Column', cell: column => name(column.name || '(without a name)') },
    { title: 'First values', cell: column => column.values.length
      ? h('span', { class: 'samples' }, column.values.map(value => h('bdi', null, value))) : h('span', { class: 'soft' }, 'empty') },
    { title: 'Read as', cell: column => pick(column, columns.indexOf(column)) },
  ], columns, { empty: 'The file has no columns.' });
}

function showStatuses({ statuses }, corrections, change) {
  const pick = (status, place) => {
    const control = choice([['', 'Such rows are rejected'], ...STATUSES.map(each => [each, title(each)])], status.status ?? '', {
      id: `status-${place}`, 'aria-label': `What ${status.word || 'an empty status'} means`,
      onchange: () => change(() => corrections.setStatus(status.word, control.value)),
    });
    return control;
  };
  const shown = statuses.slice(0, MOST_STATUSES);
  return h('div', { class: 'stack' }, h('h3', null, 'Words of the status'),
    h('p', { class: 'soft' }, 'Completed and partial orders count for money; the others are kept and count for nothing.'),
    table('Words of the status column and what they mean', [
      { title: 'Word', cell: status => name(status.word || '(empty)') },
      { title: 'Rows', number: true, cell: status => number(status.count) },
      { title: 'Means', cell: status => pick(status, shown.indexOf(status)) },
    ], shown),
    statuses.length > shown.length && h('p', { class: 'soft' }, `… and ${count(statuses.length - shown.length, 'further word')}.`));
}

function showFurther({ format, source_format: saved }, corrections, formats, change) {
  const set = key => event => change(() => corrections.say(key, event.target.value.trim()));
  const control = ([key, label, kind, hint = '', proposals = null]) => {
    const id = `say-${key}`;
    const value = [corrections.format[key] ?? format[key] ?? ''].flat()[0];
    if (Array.isArray(kind)) {
      const options = kind.map(one => (Array.isArray(one) ? one : [one, { true: 'yes', false: 'no' }[one] ?? one]));
      return field(label, choice([['', 'as it is found'], ...options], { '\t': 'tab', ' ': 'space' }[value] ?? value, { id, onchange: set(key) }), hint);
    }
    const listed = proposals && `${id}-list`;
    const input = h('input', { id, type: kind, min: kind === 'number' ? '0' : null, value, list: listed, autocomplete: 'off', onchange: set(key) });
    return [field(label, input, hint), proposals && h('datalist', { id: listed }, proposals.map(each => h('option', { value: each })))];
  };
  const names = wanted => formats.filter(one => one.preset === wanted).map(one => [one.name, one.name]);
  return h('div', { class: 'further' },
    field('Known export', choice([['', 'as it is found'], ...names(true)], corrections.format.preset ?? format.preset ?? '', { id: 'say-preset', onchange: set('preset') })),
    names(false).length > 0 && field('Kept format', choice([['', 'none'], ...names(false)], saved ?? '', {
      id: 'say-kept', onchange: event => change(() => { corrections.kept = event.target.value; }) })),
    FURTHER.map(control));
}
