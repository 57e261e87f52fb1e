// A segment that is made or changed: what it is called, who belongs to it, and what that comes to while it is written.
// What is not saved is never lost without a question: neither by leaving nor by somebody else's change.

import { Refused, ask, change } from '../api.js';
import { RuleBuilder, listIncomplete, manyInput } from '../builder.js';
import { button, choice, confirm, customerLink, field, fill, h, link, notice, panel, table } from '../elements.js';
import { address, hold } from '../router.js';
import { findNode, format, isComplete, isSame, makeRow, printRule, readRule } from '../rules.js';
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
      sample(first: 5) { id externalId name metrics { orderCount totalRevenue lastPurchaseAt } }
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
  name: 'Name', description: 'Description', isDynamic: 'Follows by itself', schedule: 'Schedule', rules: 'Conditions',
  criteria: 'Bounds', rfmConfig: 'RFM scores',
};
const SCHEDULES = [['', 'Every night'], ['0 * * * *', 'Every hour'], ['0 6 * * *', 'Every day at 6:00'],
  ['0 6 * * 1', 'Mondays at 6:00'], ['0 6 1 * *', 'On the first of each month at 6:00']];
const BOUNDS = [['LifetimeValue', 'Total revenue'], ['Orders', 'Orders'], ['DaysSinceLastPurchase', 'Days since the last purchase'],
  ['PurchaseFrequency', 'Purchases per 30 days'], ['TenureDays', 'Days as a customer']];

export async function show(page) {
  const key = page.params.key ?? page.query.get('copy') ?? '';
  const data = await ask(EDITOR, { key, known: key !== '' }, { signal: page.signal });
  if (key && !data.segment) {
    return page.view('There is no such segment', { up: ['/segments', 'Segments'] }, h('p', null, `No segment has the key ${key}.`));
  }
  if (!page.mayEdit) {
    return page.view(page.params.key ? data.segment.name : 'New segment', { up: ['/segments', 'Segments'] },
      notice('warning', 'This token may look at segments but not change them: it lacks the permission customers:edit.'),
      data.segment && h('p', null, link('See the segment', `/segments/${encodeURIComponent(key)}`)));
  }
  return new Editor(page, data).view();
}

/** The values of a segment that can be changed, as the mutations take them. */
function takeFields(segment) {
  const criteria = Object.entries(segment.criteria ?? {}).filter(([, value]) => value !== null);
  return {
    name: segment.name, description: segment.description ?? '', isDynamic: segment.isDynamic, schedule: segment.schedule,
    rules: segment.rules, criteria: criteria.length ? Object.fromEntries(criteria) : null,
    rfmConfig: segment.rfmConfig && { minScore: segment.rfmConfig.minScore, maxScore: segment.rfmConfig.maxScore },
  };
}

/** What a new segment begins with: a copy, or what the address says. */
function takeNew(query, copied) {
  const fields = copied
    ? { ...takeFields(copied), name: `${copied.name} (copy)` }
    : takeFields({ name: query.get('name') ?? '', isDynamic: true, schedule: null, rules: null });
  if (query.has('rules')) {
    try {
      fields.rules = JSON.parse(query.get('rules'));
    } catch {
      fields.rules = query.get('rules');
    }
  }
  if (query.has('minScore') || query.has('maxScore')) {
    const read = (name, standard) => (/^[1-5]{3}$/.test(query.get(name)) ? query.get(name) : standard);
    fields.rfmConfig = { minScore: read('minScore', '111'), maxScore: read('maxScore', '555') };
  }
  return fields;
}

class Editor {
  #page;
  #variables;
  #segments;
  /** The segment as it was read, null for a new one; and its fields, which tell what has changed. */
  #base;
  #stored;
  #fields;
  #kind;
  #root;
  #made = new Map();
  #unreadable = false;
  #saved = false;
  #waiting;
  #asked;
  #said = '';
  #controls = {};
  #bounds = {};
  #places = {
    preview: h('div', { class: 'stack' }), conflict: h('div'), wrong: h('div'), definition: h('div', { class: 'stack' }),
    scores: h('div'), scoresWrong: h('p', { class: 'failed' }), following: h('div', { class: 'stack' }),
  };

  constructor(page, { ruleVariables, segments, segment }) {
    this.#page = page;
    this.#variables = ruleVariables;
    this.#segments = segments.nodes.filter(each => each.key !== page.params.key);
    this.#base = page.params.key ? segment : null;
    this.#fields = this.#base ? takeFields(segment) : takeNew(page.query, segment);
    this.#stored = structuredClone(this.#fields);
    this.#kind = segment?.kind ?? 'AUTOMATIC';
    hold(() => !this.#saved && (this.#unreadable || !isSame(this.#fields, this.#stored)), () => confirm('Leave without saving?',
      ['What was changed here is not saved yet.'], 'Leave without saving', async () => {}), page.signal);
    page.signal.addEventListener('abort', () => clearTimeout(this.#waiting));
  }

  view() {
    const base = this.#base;
    const back = base ? `/segments/${encodeURIComponent(base.key)}` : '/segments';
    const actions = () => [button(base ? 'Save changes' : 'Create segment', () => this.#save(), { kind: 'primary' }),
      h('a', { class: 'button', href: address(back) }, 'Cancel')];
    const parts = [this.#drawAbout(), this.#places.definition];
    const beside = h('div', { class: 'stack beside' },
      panel('Who matches now', {}, this.#places.preview), panel('The conditions as text', {}, this.#drawText()));
    this.#places.beside = beside;
    fill(this.#places.definition,
      panel('Conditions', {}, h('p', { class: 'soft' }, 'Customers belong to the segment for whom this holds.'), this.#drawBuilder()),
      panel('RFM scores', {}, this.#drawScores()), panel('Bounds', {}, this.#drawBounds()));
    this.#showKind();
    this.#update();
    return this.#page.view(base ? `Edit ${base.name}` : 'New segment',
      { up: [back, base ? base.name : 'Segments'], actions: actions() },
      this.#places.conflict, this.#places.wrong,
      h('div', { class: 'editor' }, h('div', { class: 'stack' }, parts, h('div', { class: 'actions' }, actions())), beside));
  }

  #drawAbout() {
    const set = key => ({ target }) => { this.#fields[key] = target.value; };
    const fields = this.#fields;
    this.#controls.name = field('Name', h('input', { id: 'segment-name', value: fields.name, required: true, dir: 'auto', autocomplete: 'off', oninput: set('name') }));
    this.#controls.description = field('What it is for',
      h('textarea', { id: 'segment-description', rows: '2', value: fields.description, dir: 'auto', oninput: set('description') }));
    const kind = choice([['AUTOMATIC', 'By conditions: members follow by themselves'], ['MANUAL', 'By hand: you put customers in and take them out']],
      this.#kind, { id: 'segment-kind', onchange: ({ target }) => { this.#kind = target.value; this.#showKind(); this.#update(); } });
    return panel('What it is', {}, this.#controls.name, this.#controls.description,
      this.#base ? this.#kind === 'MANUAL' && h('p', { class: 'soft' }, 'Its members are put in by hand, so it has no conditions.')
        : field('How customers get in', kind),
      this.#places.following);
  }

  #showKind() {
    const manual = this.#kind === 'MANUAL';
    this.#places.definition.hidden = this.#places.beside.hidden = manual;
    fill(this.#places.following, manual ? [] : this.#drawFollowing());
  }

  /** Whether the members follow by themselves, and when all of it is calculated anew. */
  #drawFollowing() {
    const fields = this.#fields;
    const own = 'own';
    const preset = SCHEDULES.some(([value]) => value === (fields.schedule ?? ''));
    const text = h('input', { id: 'segment-cron', value: fields.schedule ?? '', class: 'code', autocomplete: 'off',
      oninput: ({ target }) => { fields.schedule = target.value.trim() || null; } });
    const cron = field('Minute, hour, day, month, weekday', text, 'Five fields of cron, in the time zone of the shop.');
    cron.hidden = preset;
    const select = choice([...SCHEDULES, [own, 'At times of your own']], preset ? fields.schedule ?? '' : own, { id: 'segment-schedule', onchange: ({ target }) => {
      cron.hidden = target.value !== own;
      if (target.value === own) text.focus();
      else fields.schedule = text.value = target.value || null;
    } });
    const schedule = h('div', { class: 'row' }, field('Calculated anew', select), cron);
    schedule.hidden = !fields.isDynamic;
    this.#controls.schedule = cron;
    const follows = h('input', { type: 'checkbox', id: 'segment-dynamic', checked: fields.isDynamic, onchange: ({ target }) => {
      fields.isDynamic = target.checked;
      if (!target.checked) fields.schedule = null;
      this.#showKind();
    } });
    return [h('div', { class: 'check' }, follows, h('label', { for: 'segment-dynamic' },
      'Members follow by themselves as customers buy')), schedule];
  }

  #drawBuilder() {
    this.builder = new RuleBuilder({
      variables: this.#variables, segments: this.#segments, changed: () => this.#update(),
      findValues: async () => {
        const { ruleVariables } = await ask(VALUES, {}, { signal: this.#page.signal });
        return new Map(ruleVariables.map(each => [each.name, each.values]));
      },
    });
    this.#root = readRule(this.#fields.rules);
    if (!this.#base && this.#fields.rules === null && !this.#fields.rfmConfig) this.#root.items.push(makeRow());
    this.builder.show(this.#root);
    return this.builder.element;
  }

  #drawText() {
    const text = h('textarea', { id: 'rules-text', class: 'code', rows: '14', spellcheck: 'false', oninput: ({ target }) => this.#readText(target.value) });
    return this.#controls.text = field('JSONLogic', text, 'What you type here shows as conditions, and the other way round.');
  }

  #readText(text) {
    let rule = null;
    try {
      rule = text.trim() ? JSON.parse(text) : null;
      this.#unreadable = false;
    } catch (error) {
      this.#unreadable = true;
      this.#controls.text.fail(`This is no JSON yet: ${error.message}`);
      return;
    }
    this.#root = readRule(rule);
    this.builder.show(this.#root);
    this.#update({ typed: true });
  }

  #drawScores() {
    const { scores, scoresWrong } = this.#places;
    const draw = () => fill(scores, this.#fields.rfmConfig && scorePicker(
      [0, 1, 2].map(metric => [Number(this.#fields.rfmConfig.minScore[metric]), Number(this.#fields.rfmConfig.maxScore[metric])]),
      () => this.#findCells(),
      ranges => {
        this.#fields.rfmConfig = { minScore: ranges.map(([low]) => low).join(''), maxScore: ranges.map(([, high]) => high).join('') };
        this.#update();
      }));
    const only = h('input', { type: 'checkbox', id: 'segment-rfm', checked: this.#fields.rfmConfig !== null, onchange: ({ target }) => {
      this.#fields.rfmConfig = target.checked ? { minScore: '111', maxScore: '555' } : null;
      draw();
      this.#update();
    } });
    draw();
    return [h('div', { class: 'check' }, only, h('label', { for: 'segment-rfm' }, 'Only customers with these scores')), scores, scoresWrong];
  }

  async #findCells() {
    const days = this.#page.viewer.business.settings.rfm_days;
    return (await ask(SCORES, { days }, { signal: this.#page.signal })).segmentationReport?.cells ?? [];
  }

  #drawBounds() {
    const set = key => value => {
      const { [key]: _, ...others } = this.#fields.criteria ?? {};
      const criteria = value === undefined ? others : { ...others, [key]: value };
      this.#fields.criteria = Object.keys(criteria).length ? criteria : null;
      this.#update();
    };
    const bound = (key, text) => {
      const amount = key.endsWith('LifetimeValue');
      const input = h('input', { type: 'number', min: '0', step: amount || key.endsWith('Frequency') ? 'any' : '1', id: `bound-${key}`,
        value: this.#fields.criteria?.[key] ?? '',
        oninput: ({ target }) => set(key)(target.value === '' ? undefined : amount ? target.value : Number(target.value)) });
      return this.#bounds[key] = field(text, input);
    };
    const levels = manyInput('TEXT', this.#fields.criteria?.loyaltyLevels, set('loyaltyLevels'), { id: 'bound-loyaltyLevels', 'aria-label': 'Loyalty level' });
    this.#bounds.loyaltyLevels = h('p', { class: 'failed' });
    this.#bounds.loyaltyLevels.fail = sentence => fill(this.#bounds.loyaltyLevels, sentence);
    return h('details', { id: 'bounds', open: this.#fields.criteria !== null },
      h('summary', null, 'Least and most of a few numbers, all of which must hold besides'),
      h('div', { class: 'stack' }, BOUNDS.map(([key, text]) => h('div', { class: 'bound' },
        bound(`min${key}`, `${text}, at least${key === 'LifetimeValue' ? ` (${currency()})` : ''}`), bound(`max${key}`, 'At most'))),
      h('div', null, h('p', { class: 'soft' }, 'Any of these loyalty levels'), levels, this.#bounds.loyaltyLevels)));
  }

  /** After every change: the rule is printed, and what it comes to is asked after a pause. */
  #update({ typed = false } = {}) {
    this.#made = new Map();
    this.#fields.rules = printRule(this.#root, this.#made);
    this.#controls.text.fail('');
    this.#unreadable = false;
    if (!typed) this.#controls.text.control.value = this.#fields.rules === null ? '' : format(this.#fields.rules);
    clearTimeout(this.#waiting);
    this.#asked?.abort();
    if (this.#kind === 'MANUAL') return;
    // What is shown is of the definition before, from now on.
    this.#places.preview.setAttribute('aria-busy', 'true');
    this.#waiting = setTimeout(() => this.#preview(), PAUSE);
  }

  async #preview() {
    const { rules, criteria, rfmConfig } = this.#fields;
    const place = this.#places.preview;
    if (rules === null && !criteria && !rfmConfig) {
      this.#tell([]);
      place.removeAttribute('aria-busy');
      fill(place, h('p', { class: 'soft' }, 'Add a condition, choose scores or set a bound, and see at once who belongs to the segment.'), this.#drawIncomplete());
      return;
    }
    this.#asked = new AbortController();
    const signal = AbortSignal.any([this.#page.signal, this.#asked.signal]);
    try {
      const data = await ask(PREVIEW, { definition: { rules, criteria, rfmConfig }, against: this.#base?.id ?? null }, { signal });
      this.#showPreview(data.segmentPreview);
    } catch (error) {
      if (error.name === 'AbortError') return;
      fill(place, notice('error', error.message, ' ', button('Try again', () => this.#preview())));
    } finally {
      if (!signal.aborted) place.removeAttribute('aria-busy');
    }
  }

  #showPreview(preview) {
    const { matchCount, population, sentence, problems, sample } = preview;
    const errors = problems.filter(each => each.severity === 'ERROR');
    const elsewhere = this.#tell(errors.map(({ path, message }) => ({ place: path.split('/').slice(1), path, message })));
    if (errors.length) {
      fill(this.#places.preview, notice('error', errors.length === 1 ? 'Something has to be mended first.' : `${number(errors.length)} things have to be mended first.`,
        h('ul', null, (elsewhere.length ? elsewhere : errors).map(each => h('li', null, each.message)))), this.#drawIncomplete());
      this.#say(`The conditions have ${count(errors.length, 'fault')}.`);
      return;
    }
    const share = percent(population ? matchCount / population : 0);
    fill(this.#places.preview,
      h('p', { class: 'total' }, h('strong', null, number(matchCount)), ` of ${count(population, 'customer')}, ${share}`),
      h('progress', { max: String(Math.max(population, 1)), value: matchCount, 'aria-label': 'Share of all customers' }),
      problems.map(each => notice('warning', each.message)), this.#drawIncomplete(),
      sentence && h('p', null, sentence.charAt(0).toUpperCase() + sentence.slice(1), '.'),
      this.#base && this.#drawDifference(preview),
      sample.length > 0 && table('The first who match', [
        { title: 'For instance', cell: customerLink },
        { title: 'Orders', number: true, cell: ({ metrics }) => number(metrics.orderCount) },
        { title: 'Revenue', number: true, cell: ({ metrics }) => money(metrics.totalRevenue) },
      ], sample));
    this.#say(`${count(matchCount, 'customer matches', 'customers match')}, ${share}.`);
  }

  /** Who would enter and leave if it were saved. */
  #drawDifference({ entering, leaving, staying, enteringSample, leavingSample }) {
    if (!entering && !leaving) return h('p', { class: 'soft' }, `The ${count(staying, 'member')} of now would stay; nobody enters or leaves.`);
    const list = (sample, total) => [sample.map((each, place) => [place > 0 && ', ', customerLink(each)]), total > sample.length && ` and ${number(total - sample.length)} more`];
    return h('dl', { class: 'facts' },
      h('dt', null, `▲ ${number(entering)} would enter`), h('dd', null, list(enteringSample, entering)),
      h('dt', null, `▼ ${number(leaving)} would leave`), h('dd', null, list(leavingSample, leaving)),
      h('dt', null, `${number(staying)} would stay`), h('dd', null));
  }

  #drawIncomplete() {
    const missing = listIncomplete(this.#root, isComplete).size;
    return missing > 0 && h('p', { class: 'soft' }, `${count(missing, 'condition')} not complete yet and left out.`);
  }

  #say(text) {
    if (this.#said !== text) this.#page.say(this.#said = text);
  }

  /**
   * Say what is wrong where it is wrong. Each problem has a `place`, as field names, a message, and within the rules a
   * `path`; those that have no place on the page are returned.
   */
  #tell(problems) {
    const [found, elsewhere] = [new Map(), []];
    for (const each of Object.values(this.#bounds)) each.fail('');
    for (const each of ['name', 'description', 'schedule']) this.#controls[each]?.fail('');
    fill(this.#places.scoresWrong);
    for (const { place: [first, second], path, message } of problems) {
      if (first === 'criteria' && this.#bounds[second]) this.#bounds[second].fail(message);
      else if (first === 'rfmConfig') fill(this.#places.scoresWrong, message);
      else if (this.#controls[first]?.fail) this.#controls[first].fail(message);
      else if (path && this.#fields.rules !== null) {
        const node = findNode(this.#fields.rules, path, this.#made) ?? this.#root;
        found.set(node, [...(found.get(node) ?? []), message]);
      } else elsewhere.push({ message });
    }
    this.builder.tell(found);
    return elsewhere;
  }

  /** What the mutations are given: all of a new segment, and of one that is there what differs from `stored`. */
  #collect(stored) {
    const fields = { ...this.#fields, name: this.#fields.name.trim(), description: this.#fields.description.trim() || null };
    if (!stored) return this.#kind === 'MANUAL' ? { name: fields.name, description: fields.description, kind: 'MANUAL' } : { ...fields, kind: this.#kind };
    return Object.fromEntries(Object.entries(fields).filter(([key, value]) => !isSame(value ?? '', stored[key] ?? '')));
  }

  async #save(stored = this.#stored, version = this.#base?.version) {
    fill(this.#places.wrong);
    if (this.#kind === 'AUTOMATIC' && !this.#checkComplete()) return;
    const base = this.#base;
    const changed = this.#collect(base && stored);
    try {
      let segment = base;
      if (!base) ({ segment } = await change(CREATE, { input: changed }));
      else if (Object.keys(changed).length) ({ segment } = await change(UPDATE, { input: { id: base.id, expectedVersion: version, ...changed } }));
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
    const missing = listIncomplete(this.#root, isComplete);
    if (!missing.size) return true;
    this.builder.tell(missing);
    this.builder.focus([...missing.keys()].at(-1).id);
    return false;
  }

  #refuse(problems) {
    const elsewhere = this.#tell(problems.map(({ field: names, path, message }) => ({ place: (names ?? []).slice(1), path, message })));
    fill(this.#places.wrong, notice('error', elsewhere.length ? elsewhere.map(each => h('p', null, each.message))
      : 'It is not saved: something has to be mended first. It is said at its place.'));
    document.querySelector('[aria-invalid="true"]')?.focus();
  }

  /** Both versions side by side, after somebody else has saved another one. */
  async #showConflict() {
    const { segment: theirs } = await ask(EDITOR, { key: this.#base.key, known: true }, { signal: this.#page.signal });
    if (!theirs) {
      fill(this.#places.conflict, notice('error', 'Somebody has deleted this segment meanwhile. Create a new one to keep what is here.'));
      return;
    }
    const stored = takeFields(theirs);
    const mine = { ...this.#fields, description: this.#fields.description.trim() };
    const rows = Object.keys(FIELDS).filter(key => !isSame(mine[key], stored[key]));
    const take = () => {
      this.#saved = true;
      return this.#page.reload();
    };
    const close = () => {
      fill(this.#places.conflict);
      document.getElementById('segment-name').focus();
    };
    const shown = panel('Somebody else has changed this segment', { wide: true },
      h('p', null, `It was saved ${instant(theirs.updatedAt)}, after you began. Nothing of yours is lost. `,
        rows.length ? 'This is what differs:' : 'Both of you made the same changes.'),
      rows.length > 0 && table('Fields that differ', [
        { title: 'Field', cell: key => FIELDS[key] },
        { title: 'Yours', cell: key => drawValue(key, mine[key], this.#stored[key]) },
        { title: 'Theirs', cell: key => drawValue(key, stored[key], this.#stored[key]) },
      ], rows),
      h('div', { class: 'actions' },
        button('Take theirs', take), button('Keep mine', () => this.#save(stored, theirs.version), { kind: 'primary' }),
        button('Go on editing', close, { kind: 'quiet' })));
    fill(this.#places.conflict, shown);
    shown.scrollIntoView({ block: 'start' });
    shown.querySelector('button').focus();
  }
}

/** A value of a segment in a comparison, and whether it is another one than it was. */
function drawValue(key, value, before) {
  const text = value === null || value === undefined || value === '' ? 'nothing'
    : key === 'isDynamic' ? (value ? 'yes' : 'no')
      : key === 'rfmConfig' ? `${value.minScore} to ${value.maxScore}`
        : key === 'schedule' ? SCHEDULES.find(([each]) => each === value)?.[1] ?? value : null;
  return [text ?? (typeof value === 'string' ? h('bdi', null, value) : h('pre', null, format(value))),
    isSame(value, before) && h('p', { class: 'soft' }, 'as it was')];
}
