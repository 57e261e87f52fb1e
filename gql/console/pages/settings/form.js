// A form of settings, made of what the API says of each: its type gives the control, its bounds and unit the hint, its
// default the way back. What is saved is only what was changed, for the version that was read: where somebody else was
// quicker, both values are shown and nothing is written.

import { ApiError, Refused, ask, change } from '../../api.js';
import { button, choice, confirm, field, fill, h, makeId, name, notice, table } from '../../elements.js';
import { refreshViewer } from '../../main.js';
import { hold } from '../../router.js';
import { day, number, title } from '../../words.js';

const SETTINGS = /* GraphQL */ `
  query Settings {
    viewer {
      business {
        settingsVersion
        settingDetails {
          name description type accepts unit minimum maximum choices value default serverOnly
        }
      }
    }
    storefronts { id key name }
  }
`;

const SAVE = /* GraphQL */ `
  mutation SaveSettings($settings: JSON!, $expectedVersion: Int!) {
    updateBusinessSettings(settings: $settings, expectedVersion: $expectedVersion) {
      business { settingsVersion }
      userErrors { field message code }
    }
  }
`;

const PICTURES = 'image/png,image/jpeg';
const READABLE = 4.5;
const COMMON_TIMES = [
  ['0 * * * *', 'every hour'], ['15 2 * * *', 'every night at 2:15'], ['0 6 * * 1', 'Mondays at 6:00'], ['0 6 1 * *', 'the first of the month at 6:00'],
];

let told = '';
let forms = [];

/** Every setting by its name, the version that they have, and the storefronts. */
export async function load(signal) {
  const { viewer: { business }, storefronts } = await ask(SETTINGS, {}, { signal });
  const settings = new Map(business.settingDetails.map(setting => [setting.name, setting]));
  return { version: business.settingsVersion, settings, storefronts };
}

/** After a change: what was done is said, and the page is shown with what holds now, at the address of `values`. */
export async function finish(page, sentence, values = {}) {
  told = sentence;
  await refreshViewer();
  if (page.address(values) === location.hash) await page.reload();
  else page.change(values, { replace: true });
  page.say(sentence);
}

/** What the last change did, told once. */
export function outcome() {
  const sentence = told;
  told = '';
  return sentence && notice('done', sentence);
}

/** What is said in place of controls to somebody who may only look. */
export const readOnly = () => notice('info',
  'You may look at these but not change them: this token lacks the permission customers:edit.');

/** "High average order" of high_average_order; the section before a dot is said by where it stands. */
export const label = setting => title(setting.name.replace(/^.*\./, '')).replace(/^Rfm/, 'RFM');

/** A description as a sentence; what it has in backquotes is set as code. */
export function describe(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1) + (/[.,]$/.test(text) ? '' : '.');
  return whole.split('`').map((part, place) => (place % 2 ? h('code', null, part) : part));
}

/** A value for people. */
export function tell(setting, value) {
  if (value === null || (Array.isArray(value) && !value.length)) return 'none';
  switch (setting.type) {
    case 'SWITCH': return value ? 'yes' : 'no';
    case 'WHOLE_NUMBER': return `${number(value)} ${setting.unit ?? ''}`.trim();
    case 'AMOUNT': return number(Number(value));
    case 'PICTURE': return 'a picture';
    case 'ORDER': return value.map(title).join(', ');
    case 'PERIODS': return value.map(({ from, to }) => `${tellDay(from)} to ${tellDay(to)}`).join(', ');
    case 'REPORTS': return value.map(report => report.name).join(', ');
    case 'LIST': return value.join(', ');
    case 'TABLE': return JSON.stringify(value);
    default: return value === ' ' ? 'space' : String(value);
  }
}

/** A day of every year, as 12-24, or of one, as people write it. */
function tellDay(text) {
  if (text.length > 5) return day(text);
  const style = { day: 'numeric', month: 'long', timeZone: 'UTC' };
  return new Intl.DateTimeFormat(navigator.language, style).format(new Date(`2024-${text}T00:00:00Z`));
}

/** What it may be, and what it is where nobody says otherwise. */
function limits(setting) {
  const may = setting.type === 'WHOLE_NUMBER'
    ? `${number(setting.minimum)} to ${number(setting.maximum)} ${setting.unit ?? ''}`.trim()
    : { SWITCH: '', PICTURE: 'PNG or JPEG, at most 100 kB.', TABLE: 'A table, as JSON.', LIST: 'One a line.', ORDER: '', PERIODS: '', REPORTS: '' }[setting.type] ?? describe(setting.accepts);
  return [may && [may, setting.type === 'WHOLE_NUMBER' ? '. ' : ' '], `Default: ${tell(setting, setting.default)}.`];
}

/** Settings as they are, without controls. */
export function settingsTable(caption, settings) {
  return table(caption, [
    { title: 'Setting', cell: setting => h('code', null, setting.name) },
    { title: 'Value', cell: setting => h('strong', null, name(tell(setting, setting.value))) },
    { title: 'Default', cell: setting => tell(setting, setting.default) },
    { title: 'What it is', cell: setting => [describe(setting.description), ' ', h('small', null, describe(setting.accepts), setting.serverOnly && ' Set on the server.')] },
  ], settings, { cards: true });
}

// Controls: each gives its element, what it says now (`read`), and shows a value. One that is made of several controls
// is a group, and tells of its changes by events of its own.

function typed(attributes, parse = text => text || null, print = value => value ?? '') {
  const element = h('input', { autocomplete: 'off', spellcheck: 'false', ...attributes });
  return {
    element,
    // What a number control cannot read it hides; the server then says what would be right.
    read: () => (element.validity.badInput ? '?' : parse(element.value.trim())),
    show: value => { element.value = print(value); },
  };
}

function written(parse, print) {
  const element = h('textarea', { rows: '4', class: 'code', spellcheck: 'false' });
  return { element, read: () => parse(element.value.trim()), show: value => { element.value = print(value); } };
}

function chosen(pairs) {
  const values = new Map(pairs.map(([value]) => [String(value), value]));
  const element = choice([['', 'not said'], ...pairs], '');
  return { element, read: () => values.get(element.value) ?? null, show: value => { element.value = value ?? ''; } };
}

function switched(setting) {
  if (setting.default === null) return chosen([[true, 'yes'], [false, 'no']]);
  const element = h('input', { type: 'checkbox' });
  return { element, read: () => element.checked, show: value => { element.checked = value; } };
}

const changed = element => element.dispatchEvent(new Event('input', { bubbles: true }));

/** Names in an order, each with buttons that move it. */
function ordered() {
  let order = [];
  const element = h('ol', { class: 'list' });
  const move = (place, by) => {
    [order[place], order[place + by]] = [order[place + by], order[place]];
    draw();
    const [up, down] = element.children[place + by].querySelectorAll('button');
    ((by < 0 ? up : down).disabled ? (by < 0 ? down : up) : by < 0 ? up : down).focus();
    changed(element);
  };
  const draw = () => fill(element, order.map((value, place) => h('li', { class: 'row' }, h('span', { class: 'grow' }, `${place + 1}. ${title(value)}`),
    h('button', { type: 'button', disabled: place === 0, 'aria-label': `${title(value)} earlier`, onclick: () => move(place, -1) }, '↑'),
    h('button', { type: 'button', disabled: place === order.length - 1, 'aria-label': `${title(value)} later`, onclick: () => move(place, 1) }, '↓'))));
  return { group: true, element, read: () => order, show: value => { order = [...value]; draw(); } };
}

/** A colour and how well letters in it can be read on white. */
function coloured() {
  const said = h('p', { class: 'row' });
  const control = typed({ type: 'color', 'aria-label': 'Colour', oninput: () => draw() });
  const draw = () => {
    const contrast = contrastOnWhite(control.element.value);
    fill(said, h('code', null, control.element.value), h('span', { class: contrast < READABLE ? 'watch' : 'good' },
      `${contrast.toFixed(1)} : 1 on white, ${contrast < READABLE ? 'too light for letters: reports darken it' : 'letters in it can be read'}`));
  };
  return { ...control, group: true, element: h('div', { class: 'row' }, control.element, said), show: value => { control.show(value); draw(); } };
}

/** The contrast of a colour such as #1a5fb4 on white, as WCAG 2 defines it: 1 to 21. */
function contrastOnWhite(colour) {
  const channels = [1, 3, 5].map(place => parseInt(colour.slice(place, place + 2), 16) / 255);
  const linear = channels.map(share => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4));
  return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05);
}

/** A picture: the file that is chosen, kept as base64, as it will be shown. */
function pictured(setting) {
  let value = null;
  const shown = h('div', { class: 'logo' });
  const file = h('input', { type: 'file', accept: PICTURES, 'aria-label': label(setting), onchange: async () => {
    if (!file.files[0]) return;
    show((await readDataUrl(file.files[0])).replace(/^.*,/, ''));
    changed(file);
  } });
  const show = given => {
    value = given;
    if (!value) file.value = '';
    const type = value?.startsWith('/9j/') ? 'jpeg' : 'png';
    fill(shown, value ? h('img', { src: `data:image/${type};base64,${value}`, alt: 'The logo as it is saved or will be' }) : h('span', { class: 'soft' }, 'No logo'));
  };
  return { group: true, element: h('div', { class: 'stack' }, shown, file), read: () => value, show };
}

const readDataUrl = file => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
  reader.readAsDataURL(file);
});

/** A text that is JSON, or the text itself where it is none: the server says what would be right. */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A schedule of five cron fields, with common ones to choose from. */
export function scheduled() {
  const id = makeId('times');
  const control = typed({ list: id, placeholder: '15 2 * * *', class: 'code' });
  return { ...control, beside: h('datalist', { id }, COMMON_TIMES.map(([value, text]) => h('option', { value, label: text }))) };
}

/** A list of things, each a row of controls as `make` has it with `read`; they are added, as `fresh`, and removed. */
export function listed(word, make, fresh) {
  let rows = [];
  const list = h('ul', { class: 'list' });
  const add = value => {
    const row = make(value);
    row.element.append(h('button', { type: 'button', class: 'quiet', onclick: () => {
      rows = rows.filter(each => each !== row);
      row.element.remove();
      more.focus();
      changed(element);
    } }, 'Remove', h('span', { class: 'unseen' }, ` this ${word}`)));
    rows.push(row);
    list.append(row.element);
    return row;
  };
  const more = h('button', { type: 'button', onclick: () => {
    add(fresh).element.querySelector('select, input').focus();
    changed(element);
  } }, `Add a ${word}`);
  const element = h('div', { class: 'stack' }, list, h('div', { class: 'actions' }, more));
  return { group: true, element, read: () => rows.map(row => row.read()), show: value => { rows = []; fill(list); value.forEach(add); } };
}

const CONTROLS = {
  WHOLE_NUMBER: ({ minimum, maximum, default: standard }) => typed(
    { type: 'number', min: minimum, max: maximum, step: '1', placeholder: standard }, text => (text === '' ? null : Number(text))),
  AMOUNT: ({ default: standard }) => typed({ inputmode: 'decimal', placeholder: standard }),
  SWITCH: switched,
  TEXT: ({ choices }) => (choices.length ? chosen(choices.map(value => [value, value])) : typed({ dir: 'auto' })),
  SCHEDULE: scheduled,
  COLOUR: coloured,
  PICTURE: pictured,
  ORDER: ordered,
  LIST: () => written(text => (text ? text.split('\n').map(line => line.trim()).filter(Boolean) : null), value => [value ?? []].flat().join('\n')),
  TABLE: () => written(text => (text ? parseJson(text) : null), value => (value === null ? '' : JSON.stringify(value, null, 2))),
};

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const kept = ({ type, value }) => (type === 'AMOUNT' && value !== null ? String(value) : value);
const standard = ({ type, default: value }) => (type === 'AMOUNT' && value !== null ? String(value) : value);

/** Several controls under one legend, which fails as a field does. */
function groupField(text, element, hint) {
  const id = makeId('group');
  const wrong = h('span', { class: 'failed', id: `${id}-wrong`, role: 'alert' });
  const group = h('fieldset', { class: 'field', 'aria-describedby': `${id}-hint ${id}-wrong` },
    h('legend', null, text), element, h('small', { id: `${id}-hint` }, hint), wrong);
  return Object.assign(group, { fail: sentence => fill(wrong, sentence) });
}

/** A setting with its control, what it is, and a way back to its default. */
function entry(setting, make) {
  const control = make(setting);
  const hint = [describe(setting.description), ' ', limits(setting)];
  if (!control.group) control.element.id = `set-${setting.name}`;
  const shown = control.group ? groupField(label(setting), control.element, hint) : field(label(setting), control.element, hint);
  const back = h('button', { type: 'button', class: 'quiet', onclick: () => { control.show(standard(setting)); changed(element); } }, 'Back to the default',
    h('span', { class: 'unseen' }, ` of ${label(setting)}`));
  const element = h('div', { class: 'setting' }, shown, control.beside, back);
  const look = () => { back.hidden = same(control.read() ?? standard(setting), standard(setting)); };
  control.show(kept(setting));
  element.addEventListener('input', look);
  look();
  return { setting, element, read: control.read, fail: shown.fail };
}

/**
 * A form of settings. `groups` are [heading, names] pairs; `makers` have controls of the caller's by the setting's name;
 * `follow(changes)` is told what would be changed, at each change, and may return a promise that is broken with what the
 * server says of it; `note` stands beside the button. Without permission the values are shown.
 */
export function settingsForm(page, { version, settings }, groups, { makers = {}, follow = () => {}, note = null } = {}) {
  const named = names => names.map(each => settings.get(each)).filter(Boolean);
  if (!page.mayEdit) return [readOnly(), groups.map(([heading, names]) => settingsTable(heading || 'Settings', named(names)))];
  const parts = groups.map(([heading, names]) => [heading, named(names).map(setting => entry(setting, makers[setting.name] ?? CONTROLS[setting.type]))]);
  const entries = parts.flatMap(([, each]) => each);
  const about = h('div');
  const changes = () => Object.fromEntries(entries.filter(each => !same(each.read(), kept(each.setting)))
    .map(each => [each.setting.name, each.read()]));
  const blame = problems => {
    const rest = problems.filter(({ field: path, message }) => {
      const found = entries.find(each => each.setting.name === path?.[1]);
      found?.fail(message);
      return !found;
    });
    fill(about, rest.map(({ message }) => notice('error', message)));
  };
  watch(page, () => Object.keys(changes()).length > 0);
  const mend = () => entries.forEach(each => each.fail(''));
  const save = async (expectedVersion = version) => {
    mend();
    fill(about);
    const stated = changes();
    if (!Object.keys(stated).length) {
      fill(about, notice('info', 'Nothing was changed.'));
      return;
    }
    try {
      await change(SAVE, { settings: stated, expectedVersion });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.code === 'CONFLICT') fill(about, conflict(page, entries.filter(each => each.setting.name in stated), await load(page.signal), save));
      else blame(error.problems);
      return;
    }
    await finish(page, `Saved: ${Object.keys(stated).map(each => label(settings.get(each))).join(', ')}.`);
  };
  const look = async () => {
    mend();
    try {
      await follow(changes());
    } catch (error) {
      if (error instanceof ApiError && error.extensions.field) blame([{ field: error.extensions.field, message: error.message }]);
    }
  };
  const form = h('form', { class: 'stack', novalidate: true, oninput: look, onsubmit: event => { event.preventDefault(); submit.querySelector('button').click(); } },
    parts.map(([heading, each]) => h('div', { class: 'settings' }, heading && h('h3', null, heading), each.map(({ element }) => element))),
    about);
  const submit = button('Save', () => save(), { kind: 'primary' });
  form.append(h('div', { class: 'actions' }, submit, note));
  return form;
}

/** Nobody leaves what is typed in one of the forms of the page without being asked. */
function watch(page, isChanged) {
  forms = [...forms.filter(form => form.page === page), { page, isChanged }];
  hold(() => forms.some(form => form.page === page && form.isChanged()), () => confirm('Leave without saving?',
    ['What was changed here is not saved yet.'], 'Leave without saving', async () => {}), page.signal);
}

/** Somebody else saved first: both values, and whose shall hold. */
function conflict(page, entries, { version, settings }, save) {
  return notice('warning',
    h('p', null, h('strong', null, 'Somebody else has changed the settings since you opened this page.'), ' Nothing of yours is saved yet.'),
    table('Both versions', [
      { title: 'Setting', cell: ({ setting }) => label(setting) },
      { title: 'When you opened it', cell: ({ setting }) => name(tell(setting, setting.value)) },
      { title: 'Saved by somebody else', cell: ({ setting }) => name(tell(setting, settings.get(setting.name).value)) },
      { title: 'Yours', cell: ({ setting, read }) => h('strong', null, name(tell(setting, read() ?? setting.default))) },
    ], entries),
    h('div', { class: 'actions' },
      button('Save mine over it', () => save(version), { kind: 'primary' }),
      button('Take theirs', () => page.reload())));
}
