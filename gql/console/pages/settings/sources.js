// How files are written: formats that are kept by name, the presets that they can begin with, and what holds for every
// file that nothing else is said of.

import { Refused, ask, change } from '../../api.js';
import { button, confirm, field, fill, h, link, name, notice, panel, table, tag } from '../../elements.js';
import { count, instant } from '../../words.js';
import { finish, load, readOnly, settingsForm } from './form.js';

const FORMATS = /* GraphQL */ `
  query SourceFormats {
    sourceFormats { name preset updatedAt settings }
  }
`;

const SAVE_FORMAT = /* GraphQL */ `
  mutation SaveSourceFormat($name: String!, $settings: JSON!) {
    saveSourceFormat(name: $name, settings: $settings) {
      sourceFormat { name }
      userErrors { field message code }
    }
  }
`;

const DELETE_FORMAT = /* GraphQL */ `
  mutation DeleteSourceFormat($name: String!) {
    deleteSourceFormat(name: $name) {
      deletedName
      userErrors { message code }
    }
  }
`;

export async function show(page) {
  const [data, { sourceFormats }] = await Promise.all([load(page.signal), ask(FORMATS, {}, { signal: page.signal })]);
  const [own, presets] = [sourceFormats.filter(each => !each.preset), sourceFormats.filter(each => each.preset)];
  const chosen = page.query.get('format');
  const format = sourceFormats.find(each => each.name === chosen);
  const names = [...data.settings.keys()].filter(each => each.startsWith('import.'));
  return [
    chosen !== null && panel(format ? `Format ${format.name}` : 'New format', { actions: h('a', { href: page.address({ format: null }) }, 'Close') },
      drawFormat(page, format)),
    panel('Formats of this shop', { actions: page.mayEdit && h('a', { class: 'button', href: page.address({ format: 'new format' }) }, 'New format') },
      drawList('Saved formats', own, 'The shop has saved no format yet. Begin with a preset below, or save what an import has found out.')),
    panel('Presets', {}, h('p', { class: 'soft' }, 'Export shapes that are known. They cannot be changed; a copy can.'), drawList('Presets by name', presets)),
    panel('What holds for every file', {}, h('p', { class: 'soft' }, 'A format, or what is said with an import, wins over these.'),
      h('details', { id: 'import-settings' }, h('summary', null, `Show ${count(names.length, 'setting')}`), settingsForm(page, data, [['', names]]))),
  ];
}

function drawList(caption, formats, empty) {
  return table(caption, [
    { title: 'Name', cell: format => link(format.name, '/settings/sources', { format: format.name }) },
    { title: 'Says', cell: ({ settings }) => Object.keys(settings).map(key => [h('code', null, key), ' ']) },
    ...(formats.some(each => each.updatedAt) ? [{ title: 'Saved', cell: format => instant(format.updatedAt) }] : []),
  ], formats, { cards: true, empty });
}

/** A format as its text, to look at, copy, change and save. */
function drawFormat(page, format) {
  const text = JSON.stringify(format?.settings ?? { date_format: '%d/%m/%Y', columns: { 'Order No.': 'order_id' } }, null, 2);
  const head = format && h('p', null, format.preset ? tag('Preset') : `Saved ${instant(format.updatedAt)}.`, ' ', `Read by it with “segments import FILE --source-format ${format.name}”.`);
  if (!page.mayEdit) return [head, h('pre', null, text), readOnly()];
  const called = field('Name', h('input', { id: 'format-name', value: format ? (format.preset ? `my-${format.name}` : format.name) : '', autocomplete: 'off', spellcheck: 'false' }),
    'Lower-case letters, digits, - and _; no preset’s name. One that is in use is replaced.');
  const said = field('What it says, as JSON', h('textarea', { id: 'format-text', rows: '14', class: 'code', spellcheck: 'false', value: text }),
    'The keys are those of files of formats, such as date_format, decimal and columns.');
  const about = h('div');
  const save = async () => {
    [called, said].forEach(each => each.fail(''));
    fill(about);
    let settings;
    try {
      settings = JSON.parse(said.control.value);
    } catch (error) {
      said.fail(`This is no JSON: ${error.message}`);
      return;
    }
    try {
      await change(SAVE_FORMAT, { name: called.control.value.trim(), settings });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const [ofName, ofText] = [error.problems.filter(each => each.field?.[0] === 'name'), error.problems.filter(each => each.field?.[0] === 'settings')];
      called.fail(ofName.map(each => each.message).join(' '));
      said.fail(ofText.map(each => each.message).join(' '));
      fill(about, error.problems.filter(each => !ofName.includes(each) && !ofText.includes(each)).map(each => notice('error', each.message)));
      return;
    }
    await finish(page, `The format ${called.control.value.trim()} is saved.`, { format: called.control.value.trim() });
  };
  const remove = () => confirm(`Delete ${format.name}?`, ['Imports that name it are refused from then on. What was imported by it stays.'], 'Delete', async () => {
    await change(DELETE_FORMAT, { name: format.name });
    await finish(page, `The format ${format.name} is gone.`, { format: null });
  });
  return [head, called, said, about, h('div', { class: 'actions' },
    button(format?.preset ? 'Save a copy' : 'Save', save, { kind: 'primary' }),
    format && !format.preset && button('Delete', remove, { kind: 'danger' }))];
}
