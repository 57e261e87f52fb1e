// Settings, a section an address: what each setting is, may be and is without one of one's own is asked of the server,
// so that nothing of it is said here again. A section is a module of its own.

import { h, link, panel } from '../elements.js';
import * as audit from './settings/audit.js';
import * as festive from './settings/festive.js';
import { label, load, outcome, settingsTable, tell } from './settings/form.js';
import * as schedules from './settings/schedules.js';
import * as shop from './settings/shop.js';
import * as sources from './settings/sources.js';
import * as thresholds from './settings/thresholds.js';
import * as tokens from './settings/tokens.js';

const MODULES = { thresholds, festive, schedules, sources, shop, tokens, audit, all: { show: showAll } };

const SECTIONS = [
  ['thresholds', 'Thresholds', 'From when a customer is loyal, lapsed or dear, and what a change does to the labels.'],
  ['festive', 'Festive periods', 'When it is festive: who buys mostly then is Seasonal.'],
  ['schedules', 'Schedules', 'What the server does by itself, and when.'],
  ['sources', 'Sources', 'How the files of the shop are written, and formats that are kept by name.'],
  ['shop', 'Shop and brand', 'What the shop and its storefronts are called, and how reports look.'],
  ['tokens', 'Tokens', 'Who may come in, and how to shut somebody out.'],
  ['audit', 'Audit log', 'Who did what, newest first.'],
  ['all', 'All settings', 'Every setting by its name, as “segments settings” and the API have them.'],
];

export async function show(page) {
  const chosen = page.params.section ?? 'thresholds';
  const [section, , lead] = SECTIONS.find(([each]) => each === chosen) ?? [];
  const content = section ? await MODULES[section].show(page)
    : h('p', null, 'There are no such settings. ', link('Go to the thresholds', '/settings'));
  return page.view('Settings', { lead },
    h('nav', { class: 'tabs', 'aria-label': 'Settings' }, SECTIONS.map(([each, title]) => h('a', {
      href: each === 'thresholds' ? '#/settings' : `#/settings/${each}`, 'aria-current': each === chosen ? 'page' : null,
    }, title))),
    outcome(), content);
}

async function showAll(page) {
  const { settings } = await load(page.signal);
  const all = [...settings.values()];
  const own = all.filter(setting => tell(setting, setting.value) !== tell(setting, setting.default));
  return panel('Every setting', {},
    h('p', null, own.length ? `Set by the shop: ${own.map(label).join(', ')}.` : 'The shop has set none of its own: all are as they come.'),
    settingsTable('Settings by name', all));
}
