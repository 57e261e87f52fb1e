// What the server does by itself: follow purchases, classify into a file, write reports; and where segments say theirs.

import { choice, field, h, link, panel } from '../../elements.js';
import { listed, load, scheduled, settingsForm, settingsTable } from './form.js';

const FORMATS = [['pdf', 'PDF'], ['xlsx', 'Excel'], ['csv', 'CSV'], ['json', 'JSON']];
const METHODS = [['rfm', 'RFM'], ['value', 'Value'], ['behavior', 'Behavior']];
const NEW_REPORT = { name: '', format: 'pdf', every: '0 6 * * 1', method: 'rfm', days: 90, scheme: 'eight' };
const SCHEMES = [['eight', 'Eight groups'], ['eleven', 'Eleven groups']];

export async function show(page) {
  const data = await load(page.signal);
  const places = [...data.settings.values()].filter(setting => setting.serverOnly);
  return [
    panel('Segments', {},
      h('p', null, 'Each segment has its own times, or is recalculated nightly: they stand with the ', link('segment', '/segments'), '. What holds for all:'),
      settingsForm(page, data, [['', ['follow_purchases']]])),
    panel('Labels of all customers, as a file', {},
      settingsForm(page, data, [['', ['classify_every']]]),
      h('p', null, 'Where the file is written is set on the server, by “segments settings apply”:'),
      settingsTable('Where the file of labels is written', places)),
    panel('Reports on a schedule', {},
      h('p', null, 'The server writes each to its folder of reports, at its times in the time zone of the business.'),
      settingsForm(page, data, [['', ['scheduled_reports']]], { makers: { scheduled_reports: () => listed('report', report => makeReport(report, data.storefronts), NEW_REPORT) } })),
  ];
}

function makeReport(report, storefronts) {
  const every = scheduled();
  every.show(report.every);
  const controls = {
    name: h('input', { value: report.name, autocomplete: 'off', placeholder: 'weekly' }),
    format: choice(FORMATS, report.format),
    every: every.element,
    method: choice(METHODS, report.method),
    days: h('input', { type: 'number', min: 1, max: 9999, value: report.days }),
    scheme: choice(SCHEMES, report.scheme),
    storefront: choice([['', 'All'], ...storefronts.map(each => [each.key, each.name])], report.storefront),
  };
  const words = { name: 'Name', format: 'File', every: 'Times (five cron fields)', method: 'Method', days: 'Days', scheme: 'RFM groups', storefront: 'Storefront' };
  const element = h('li', { class: 'row entry' },
    Object.entries(controls).map(([key, control]) => field(words[key], control)), every.beside);
  const read = () => {
    const { storefront, ...said } = Object.fromEntries(Object.entries(controls).map(([key, control]) => [key, control.value.trim()]));
    return { ...said, days: Number(said.days), ...(storefront && { storefront }) };
  };
  return { element, read };
}
