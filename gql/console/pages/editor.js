// A segment that is made or changed: what it is called, who belongs to it, and what that comes to while it is written.
// What is not saved is never lost without a question, neither by leaving nor by somebody else's change.

import { Refused, ask, change } from '../api.js';
import { RuleBuilder, listIncomplete, manyInput } from '../builder.js';
import { button, choice, confirm, customerLink, field, fill, h, link, notice, panel, table } from '../elements.js';
import { address, hold } from '../router.js';
import { findNode, format, isSame, makeRow, printRule, readRule } from '../rules.js';
import { scorePicker } from '../scores.js';
import { count, currency, instant, money, number, percent } from '../words.js';

const EDITOR = /* GraphQL */ `
  query Editor($key: String!, $known: Boolean!) {
    ruleVariables { name type description unit example operators }
    segments(first: 250) { nodes { key name } }
    segment(key: $key) @include(if: $known) {
      id key name description kind isDynamic schedule rules version updatedAt sentence
      rfmConfig { minScore maxScore }
      criteria {
        minLifetimeValue maxLifetimeValue minOrders maxOrders minDaysSinceLastPurchase maxDaysSinceLastPurchase
        minPurchaseFrequency maxPurchaseFrequency minTenureDays maxTenureDays loyaltyLevels
      }
    }
  }
`;

const VALUES = /* GraphQL */ `
  query RuleValues {
    ruleVariables { name values }
  }
`;

const SCORES = /* GraphQL */ `
  query Scores($days: Int!) {
    segmentationReport(method: RFM, days: $days) {
      cells { recency frequency monetary customerCount }
    }
  }
`;

const PREVIEW = /* GraphQL */ `
  query Preview($definition: SegmentDefinitionInput!, $against: ID) {
    segmentPreview(definition: $definition, againstSegmentId: $against) {
      matchCount population entering leaving staying sentence
      problems { path message severity }
      sample(first: 5) { id externalId name metrics { orderCount totalRevenue } }
      enteringSample(first: 5) { id externalId name }
      leavingSample(first: 5) { id externalId name }
    }
  }
`;

const CREATE = /* GraphQL */ `
  mutation CreateSegment($input: CreateSegmentInput!) {
    createSegment(input: $input) {
      segment { key name }
      userErrors { field message code path }
    }
  }
`;

const UPDATE = /* GraphQL */ `
  mutation UpdateSegment($input: UpdateSegmentInput!) {
    updateSegment(input: $input) {
      segment { key name }
      userErrors { field message code path }
    }
  }
`;

const PAUSE = 300;
const FIELDS = {
  name: 'Name', description: 'Description', isDynamic: 'Follows by itself', schedule: 'Calculated anew',
  rules: 'Conditions', criteria: 'Bounds', rfmConfig: 'RFM scores',
};
const KINDS = [['AUTOMATIC', 'By conditions, by themselves'], ['MANUAL', 'By hand, one by one or as a list']];
const OWN = 'own';
const SCHEDULES = [['', 'Every night'], ['0 * * * *', 'Every hour'], ['0 6 * * *', 'Every day at 6:00'],
  ['0 6 * * 1', 'Mondays at 6:00'], ['0 6 1 * *', 'On the first of each month at 6:00']];
const BOUNDS = [['LifetimeValue', 'Total revenue'], ['Orders', 'Orders'],
  ['DaysSinceLastPurchase', 'Days since the last purchase'], ['PurchaseFrequency', 'Purchases per 30 days'],
  ['TenureDays', 'Days as a customer']];

export async function show(page) {
  const key = page.params.key ?? page.query.get('copy') ?? '';
  const data = await ask(EDITOR, { key, known: key !== '' }, { signal: page.signal });
  const up = ['/segments', 'Segments'];
  if (key && !data.segment) {
    return page.view('There is no such segment', { up }, h('p', null, `No segment has the key ${key}.`));
  }
  if (!page.mayEdit) {
    return page.view(page.params.key ? data.segment.name : 'New segment', { up }, notice('warning',
      'This token may look at segments but not change them: it lacks the permission customers:edit. ',
      data.segment && link('See the segment', `/segments/${encodeURIComponent(key)}`)));
  }
  return new Editor(page, data).view();
}

/** The values of a segment that can be changed, as the mutations take them. */
function takeFields({ name, description, isDynamic, schedule, rules, criteria, rfmConfig }) {
  const bounds = Object.entries(criteria ?? {}).filter(([, value]) => value !== null);
  return {
    name, description: description ?? '', isDynamic, schedule, rules: rules ?? null,
    criteria: bounds.length ? Object.fromEntries(bounds) : null, rfmConfig: rfmConfig ?? null,
  };
}

/** What a new segment begins with: a copy, or what the address says. */
function takeNew(query, copied) {
  const fields = copied ? { ...takeFields(copied), name: `${copied.name} (copy)` }
    : takeFields({ name: query.get('name') ?? '', isDynamic: true, schedule: null });
  if (query.has('rules')) {
    try {
      fields.rules = JSON.parse(query.get('rules'));
    } catch {
      fields.rules = query.get('rules');
    }
  }
  if (query.has('minScore') || query.has('maxScore')) {
    const read = (bound, standard) => (/^[1-5]{3}$/.test(query.get(bound)) ? query.get(bound) : standard);
    fields.rfmConfig = { minScore: read('minScore', '111'), maxScore: read('maxScore', '555') };
  }
  return fields;
}

class Editor {
  #page;
  #base;
  #stored;
  #fields;
  #kind;
  #builder;
  #root;
  #made = new Map();
  #unreadable = false;
  #saved = false;
  #waiting;
  #asked;
  #said = '';
  // What can say that something is wrong with it, by the name of its input.
  #controls = {};
  #places = {
    conflict: h('div'), wrong: h('div'), scores: h('div'), beside: h('div', { class: 'stack editor-side' }),
    following: h('div', { class: 'stack' }), definition: h('div', { class: 'stack' }), preview: h('div', { class: 'stack' }),
  };

  constructor(page, { ruleVariables, segments, segment }) {
    this.#page = page;
    // The segment as it was read, null for a new one; and its fields, which tell what has changed.
    this.#base = page.params.key ? segment : null;
    this.#fields = this.#base ? takeFields(segment) : takeNew(page.query, segment);
    this.#stored = structuredClone(this.#fields);
    this.#kind = segment?.kind ?? 'AUTOMATIC';
    this.#builder = new RuleBuilder({
      variables: ruleVariables, segments: segments.nodes.filter(each => each.key !== page.params.key),
      findValues: () => this.#findValues(), changed: () => this.#update(),
    });
    hold(() => !this.#saved && (this.#unreadable || !isSame(this.#fields, this.#stored)), askToLeave, page.signal);
    page.signal.addEventListener('abort', () => clearTimeout(this.#waiting));
  }

  view() {
    const [base, { conflict, wrong, definition, beside, preview }] = [this.#base, this.#places];
    const up = base ? [`/segments/${encodeURIComponent(base.key)}`, base.name] : ['/segments', 'Segments'];
    const actions = () => [
      button(base ? 'Save changes' : 'Create segment', () => this.#save(), { kind: 'primary' }),
      h('a', { class: 'button', href: address(up[0]) }, 'Cancel'),
    ];
    fill(beside, panel('Who matches now', {}, preview), panel('The conditions as text', {}, this.#drawText()));
    fill(definition,
      panel('Conditions', {},
        h('p', { class: 'soft' }, 'Customers belong to the segment for whom this holds.'), this.#drawConditions()),
      panel('RFM scores', {}, this.#drawScores()), panel('Bounds', {}, this.#drawBounds()));
    const about = panel('What it is', {}, this.#drawAbout());
    this.#showKind();
    return this.#page.view(base ? `Edit ${base.name}` : 'New segment', { up, actions: actions() }, conflict, wrong,
      h('div', { class: 'editor' },
        h('div', { class: 'stack' }, about, definition, h('div', { class: 'actions' }, actions())), beside));
  }

  #drawAbout() {
    const text = (key, label, tag, attributes) => {
      const oninput = ({ target }) => { this.#fields[key] = target.value; };
      const control = h(tag, { id: `segment-${key}`, value: this.#fields[key], dir: 'auto', oninput, ...attributes });
      return this.#controls[key] = field(label, control);
    };
    const onchange = ({ target }) => {
      this.#kind = target.value;
      this.#showKind();
    };
    return [
      text('name', 'Name', 'input', { required: true, autocomplete: 'off' }),
      text('description', 'What it is for', 'textarea', { rows: '2' }),
      !this.#base && field('How customers get in', choice(KINDS, this.#kind, { id: 'segment-kind', onchange })),
      this.#base && this.#kind === 'MANUAL'
        && h('p', { class: 'soft' }, 'Its members are put in by hand, so it has no conditions.'),
      this.#places.following,
    ];
  }

  #showKind() {
    const manual = this.#kind === 'MANUAL';
    this.#places.definition.hidden = this.#places.beside.hidden = manual;
    fill(this.#places.following, manual ? [] : this.#drawFollowing());
    this.#update();
  }

  /** Whether the members follow by themselves, and when all of it is calculated anew. */
  #drawFollowing() {
    const fields = this.#fields;
    const given = fields.schedule ?? '';
    const own = !SCHEDULES.some(([value]) => value === given);
    const text = h('input', {
      id: 'segment-cron', class: 'code', value: given, autocomplete: 'off',
      oninput: ({ target }) => { fields.schedule = target.value.trim() || null; },
    });
    const cron = this.#controls.schedule = field('Minute, hour, day, month, weekday', text,
      'Five fields of cron, in the time zone of the shop.');
    cron.hidden = !own;
    const select = choice([...SCHEDULES, [OWN, 'At times of your own']], own ? OWN : given, {
      id: 'segment-schedule', onchange: ({ target }) => {
        cron.hidden = target.value !== OWN;
        if (target.value === OWN) text.focus();
        else fields.schedule = text.value = target.value || null;
      },
    });
    const follow = checked => {
      fields.isDynamic = checked;
      if (!checked) fields.schedule = null;
      this.#showKind();
      document.getElementById('segment-dynamic').focus();
    };
    return [
      check('segment-dynamic', 'Members follow by themselves as customers buy', fields.isDynamic, follow),
      fields.isDynamic && h('div', { class: 'row' }, field('Calculated anew', select), cron),
    ];
  }

  #drawConditions() {
    this.#root = readRule(this.#fields.rules);
    // A new segment begins with a row, unless the address has said what it is about.
    if (!this.#base && isSame(this.#fields.rules, this.#fields.rfmConfig)) this.#root.items.push(makeRow());
    this.#builder.show(this.#root);
    return this.#builder.element;
  }

  async #findValues() {
    const { ruleVariables } = await ask(VALUES, {}, { signal: this.#page.signal });
    return new Map(ruleVariables.map(each => [each.name, each.values]));
  }

  #drawText() {
    const text = h('textarea', { id: 'rules-text', class: 'code', rows: '14', spellcheck: 'false',
      oninput: ({ target }) => this.#readText(target.value) });
    return this.#controls.text = field('JSONLogic', text,
      'What you type here shows as conditions, and the other way round.');
  }

  #readText(text) {
    try {
      this.#root = readRule(text.trim() ? JSON.parse(text) : null);
    } catch (error) {
      this.#unreadable = true;
      this.#stopPreview();
      this.#controls.text.fail(`This is no JSON yet: ${error.message}`);
      fill(this.#places.preview, h('p', { class: 'soft' }, 'The text cannot be read yet.'));
      return;
    }
    this.#builder.show(this.#root);
    this.#update({ typed: true });
  }

  #drawScores() {
    const [{ scores }, fields] = [this.#places, this.#fields];
    const wrong = h('p', { class: 'failed' });
    this.#controls.rfmConfig = { fail: sentence => fill(wrong, sentence) };
    const change = ranges => {
      const [minScore, maxScore] = [0, 1].map(end => ranges.map(range => range[end]).join(''));
      fields.rfmConfig = { minScore, maxScore };
      this.#update();
    };
    const draw = () => {
      const { minScore, maxScore } = fields.rfmConfig ?? {};
      const ranges = minScore && [0, 1, 2].map(place => [Number(minScore[place]), Number(maxScore[place])]);
      fill(scores, ranges && scorePicker(ranges, () => this.#findCells(), change));
    };
    draw();
    return [check('segment-rfm', 'Only customers with these scores', fields.rfmConfig !== null, checked => {
      fields.rfmConfig = checked ? { minScore: '111', maxScore: '555' } : null;
      draw();
      this.#update();
    }), scores, wrong];
  }

  async #findCells() {
    const days = this.#page.viewer.business.settings.rfm_days;
    const { segmentationReport } = await ask(SCORES, { days }, { signal: this.#page.signal });
    return segmentationReport?.cells ?? [];
  }

  #drawBounds() {
    const given = this.#fields.criteria ?? {};
    const set = (key, value) => {
      const { [key]: _, ...others } = this.#fields.criteria ?? {};
      const criteria = value === undefined ? others : { ...others, [key]: value };
      this.#fields.criteria = Object.keys(criteria).length ? criteria : null;
      this.#update();
    };
    const bound = (key, label) => {
      const amount = key.endsWith('LifetimeValue');
      // Amounts stay the texts that they are.
      const read = text => (text === '' ? undefined : amount ? text : Number(text));
      const input = h('input', {
        type: 'number', min: '0', step: amount || key.endsWith('Frequency') ? 'any' : '1', id: `bound-${key}`,
        value: given[key] ?? '', oninput: ({ target }) => set(key, read(target.value)),
      });
      return this.#controls[key] = field(label, input);
    };
    const wrong = h('p', { class: 'failed' });
    this.#controls.loyaltyLevels = { fail: sentence => fill(wrong, sentence) };
    const attributes = { id: 'bound-loyaltyLevels', 'aria-label': 'Loyalty level' };
    const levels = manyInput('TEXT', given.loyaltyLevels, value => set('loyaltyLevels', value), attributes);
    return h('details', { id: 'bounds', open: this.#fields.criteria !== null },
      h('summary', null, 'Least and most of a few numbers, all of which must hold besides'),
      h('div', { class: 'stack' },
        BOUNDS.map(([key, label]) => h('div', { class: 'bound' },
          bound(`min${key}`, `${label}, at least${key === 'LifetimeValue' ? ` (${currency()})` : ''}`),
          bound(`max${key}`, 'At most'))),
        h('div', null, h('p', { class: 'soft' }, 'Any of these loyalty levels'), levels, wrong)));
  }

  /** After every change: the rule is printed, and what it comes to is asked after a pause. */
  #update({ typed = false } = {}) {
    const [fields, { text }] = [this.#fields, this.#controls];
    this.#made = new Map();
    fields.rules = printRule(this.#root, this.#made);
    this.#unreadable = false;
    text.fail('');
    if (!typed) text.control.value = fields.rules === null ? '' : format(fields.rules);
    this.#stopPreview();
    if (this.#kind === 'MANUAL') return;
    // What is shown is of the definition before, from now on.
    this.#places.preview.setAttribute('aria-busy', 'true');
    this.#waiting = setTimeout(() => this.#preview(), PAUSE);
  }

  #stopPreview() {
    clearTimeout(this.#waiting);
    this.#asked?.abort();
    this.#places.preview.removeAttribute('aria-busy');
  }

  async #preview() {
    const { rules, criteria, rfmConfig } = this.#fields;
    const { preview } = this.#places;
    this.#asked = new AbortController();
    const signal = AbortSignal.any([this.#page.signal, this.#asked.signal]);
    try {
      if (rules !== null || criteria || rfmConfig) {
        const variables = { definition: { rules, criteria, rfmConfig }, against: this.#base?.id ?? null };
        this.#showPreview((await ask(PREVIEW, variables, { signal })).segmentPreview);
      } else {
        this.#tell([]);
        fill(preview, h('p', { class: 'soft' },
          'Add a condition, choose scores or set a bound, and see at once who belongs to the segment.'));
      }
    } catch (error) {
      if (error.name === 'AbortError') return;
      fill(preview, notice('error', error.message, ' ', button('Try again', () => this.#preview())));
    }
    preview.removeAttribute('aria-busy');
  }

  #showPreview(found) {
    const { matchCount, population, sentence, problems, sample } = found;
    const incomplete = listIncomplete(this.#root).size;
    const leftOut = incomplete > 0
      && h('p', { class: 'soft' }, `Left out, as not complete yet: ${count(incomplete, 'condition')}.`);
    const errors = problems.filter(each => each.severity === 'ERROR');
    this.#tell(errors.map(({ path, message }) =>
      ({ place: /^\/(criteria|rfmConfig)\//.test(path) ? path.split('/') : [], path, message })));
    if (errors.length) {
      fill(this.#places.preview, notice('error', 'Before it can be calculated, mend this:',
        h('ul', null, errors.map(each => h('li', null, each.message)))), leftOut);
      this.#say(`The definition has ${count(errors.length, 'fault')}.`);
      return;
    }
    const share = percent(population ? matchCount / population : 0);
    fill(this.#places.preview,
      h('p', { class: 'total' },
        h('strong', null, number(matchCount)), ` of ${count(population, 'customer')}, ${share}`),
      h('progress', { max: String(population || 1), value: matchCount, 'aria-label': 'Share of all customers' }),
      problems.map(each => notice('warning', each.message)), leftOut,
      sentence && h('p', null, sentence.charAt(0).toUpperCase() + sentence.slice(1), '.'),
      this.#base && drawDifference(found),
      sample.length > 0 && table('The first who match', [
        { title: 'For instance', cell: customerLink },
        { title: 'Orders', number: true, cell: ({ metrics }) => number(metrics.orderCount) },
        { title: 'Revenue', number: true, cell: ({ metrics }) => money(metrics.totalRevenue) },
      ], sample));
    this.#say(`${count(matchCount, 'customer matches', 'customers match')}, ${share}.`);
  }

  #say(text) {
    if (this.#said !== text) this.#page.say(this.#said = text);
  }

  /**
   * Say what is wrong where it is wrong. Each problem has a message, a `place`, which is the names of the field, and
   * within the rules a `path`. Returned are the messages that have no place on the page.
   */
  #tell(problems) {
    const [found, elsewhere] = [new Map(), []];
    for (const each of Object.values(this.#controls)) each.fail('');
    for (const { place, path, message } of problems) {
      const control = place.map(each => this.#controls[each]).find(Boolean);
      const node = path && this.#fields.rules !== null && findNode(this.#fields.rules, path, this.#made);
      if (control) control.fail(message);
      else if (node) found.set(node, [...(found.get(node) ?? []), message]);
      else elsewhere.push(message);
    }
    this.#builder.tell(found);
    return elsewhere;
  }

  /** What the mutations are given: all of a new segment, and of one that is there what differs from `stored`. */
  #collect(stored) {
    const { name, description, ...others } = this.#fields;
    const fields = { name: name.trim(), description: description.trim(), ...others };
    if (this.#base) {
      return Object.fromEntries(Object.entries(fields).filter(([key, value]) => !isSame(value, stored[key])));
    }
    const { rules, criteria, rfmConfig, schedule, isDynamic, ...about } = fields;
    return this.#kind === 'MANUAL' ? { ...about, kind: 'MANUAL' } : { ...fields, kind: 'AUTOMATIC' };
  }

  async #save(stored = this.#stored, version = this.#base?.version) {
    const base = this.#base;
    fill(this.#places.wrong);
    if (this.#kind === 'AUTOMATIC' && !this.#checkComplete()) return;
    const input = this.#collect(stored);
    try {
      let segment = base;
      if (!base) {
        ({ segment } = await change(CREATE, { input }));
      } else if (Object.keys(input).length) {
        ({ segment } = await change(UPDATE, { input: { id: base.id, expectedVersion: version, ...input } }));
      }
      this.#saved = true;
      this.#page.go(`/segments/${encodeURIComponent(segment.key)}`);
      this.#page.say(`${segment.name} is saved.`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.code === 'CONFLICT') await this.#showConflict();
      else this.#refuse(error.problems);
    }
  }

  #checkComplete() {
    if (this.#unreadable) {
      this.#controls.text.control.focus();
      return false;
    }
    const incomplete = listIncomplete(this.#root);
    if (!incomplete.size) return true;
    this.#builder.tell(incomplete);
    // The innermost is the one that has nothing else incomplete within it.
    this.#builder.focus([...incomplete.keys()].at(-1).id);
    return false;
  }

  #refuse(problems) {
    const elsewhere = this.#tell(problems.map(({ field: names, path, message }) =>
      ({ place: (names ?? []).slice(1), path, message })));
    const said = elsewhere.join(' ') || 'What is wrong is said at its place.';
    fill(this.#places.wrong, notice('error', 'It is not saved. ', said));
    document.querySelector('.editor [aria-invalid="true"]')?.focus();
  }

  /** Both versions side by side, after somebody else has saved another one. */
  async #showConflict() {
    const variables = { key: this.#base.key, known: true };
    const { segment } = await ask(EDITOR, variables, { signal: this.#page.signal });
    const theirs = takeFields(segment);
    const mine = { ...theirs, ...this.#collect(theirs) };
    const rows = Object.keys(FIELDS).filter(key => !isSame(mine[key], theirs[key]));
    const column = (title, fields) => ({ title, cell: key => drawValue(key, fields[key], this.#stored[key]) });
    const take = () => {
      this.#saved = true;
      return this.#page.reload();
    };
    const close = () => {
      fill(this.#places.conflict);
      document.getElementById('segment-name').focus();
    };
    const shown = panel('Somebody else has changed this segment', { wide: true },
      h('p', null, `It was saved ${instant(segment.updatedAt)}, after you began. Nothing of yours is lost. `,
        rows.length ? 'This is what differs:' : 'Both of you made the same changes.'),
      rows.length > 0 && table('Fields that differ',
        [{ title: 'Field', cell: key => FIELDS[key] }, column('Yours', mine), column('Theirs', theirs)], rows),
      h('div', { class: 'actions' },
        button('Keep mine', () => this.#save(theirs, segment.version)), button('Take theirs', take),
        button('Go on editing', close, { id: 'go-on' })));
    fill(this.#places.conflict, shown);
    shown.scrollIntoView({ block: 'start' });
    document.getElementById('go-on').focus();
  }
}

const askToLeave = () => confirm('Leave without saving?', ['What was changed here is not saved yet.'],
  'Leave without saving', async () => {});

/** A box to check, with its label. */
const check = (id, label, checked, change) => h('div', { class: 'check' },
  h('input', { type: 'checkbox', id, checked, onchange: ({ target }) => change(target.checked) }),
  h('label', { for: id }, label));

/** Who would enter and leave if it were saved. */
function drawDifference({ entering, leaving, staying, enteringSample, leavingSample }) {
  if (!entering && !leaving) {
    return h('p', { class: 'soft' }, `The ${count(staying, 'member')} of now would stay; nobody enters or leaves.`);
  }
  const list = (sample, total) => [
    sample.map((each, place) => [place > 0 && ', ', customerLink(each)]),
    total > sample.length && ` and ${number(total - sample.length)} more`,
  ];
  return h('dl', { class: 'facts' },
    h('dt', null, `▲ ${number(entering)} would enter`), h('dd', null, list(enteringSample, entering)),
    h('dt', null, `▼ ${number(leaving)} would leave`), h('dd', null, list(leavingSample, leaving)),
    h('dt', null, `${number(staying)} would stay`), h('dd'));
}

/** A value of a segment in a comparison, and whether it is still the one that it was. */
function drawValue(key, value, before) {
  const words = {
    isDynamic: () => (value ? 'yes' : 'no'),
    schedule: () => SCHEDULES.find(([each]) => each === (value ?? ''))?.[1] ?? value,
    rfmConfig: () => value && `${value.minScore} to ${value.maxScore}`,
    rules: () => value && h('pre', null, format(value)),
    criteria: () => value && h('pre', null, format(value)),
  };
  return [words[key] ? words[key]() ?? 'nothing' : h('bdi', null, value || 'nothing'),
    isSame(value, before) && h('p', { class: 'soft' }, 'as it was')];
}
