// The rows of a rule as a form: groups with their conditions, each of what the catalogue of variables offers. A change
// of a value changes its row in place; a change of what is there draws all anew, and the focus goes where one looks
// next.

import { choice, fill, h, name } from './elements.js';
import { isComplete, listRows, makeGroup, makeRow, takes } from './rules.js';
import { title } from './words.js';

// Ways to compare by the kind of variable: what rules.js calls it, and its words.
const KNOWN = [['not null', 'is known'], ['null', 'is not known']];
const LISTED = [['one of', 'is one of'], ['none of', 'is none of']];
const OPERATORS = {
  NUMBER: [['>=', 'is at least'], ['>', 'is more than'], ['<=', 'is at most'], ['<', 'is less than'],
    ['between', 'is between'], ['==', 'is exactly'], ['!=', 'is not'], ...LISTED, ...KNOWN],
  TEXT: [['==', 'is'], ['!=', 'is not'], ...LISTED, ['contains', 'contains'], ['contains not', 'does not contain'],
    ['there', 'is filled in'], ['missing', 'is missing or blank']],
  INSTANT: [['>=', 'is on or after'], ['<', 'is before'], ['between', 'is between'], ...KNOWN],
  BOOLEAN: [['==', 'is'], ...KNOWN],
  SEGMENTS: [['contains', 'include'], ['contains not', 'do not include']],
};
// The operator that a variable must take for it, where that has another name.
const SIGNS = { between: '<=', 'null': '==', 'not null': '!=', 'one of': 'in', 'none of': 'in', contains: 'in',
  'contains not': 'in', there: 'missing' };
// Not offered for every kind, but shown where a rule has them.
const RARE = { '===': 'is exactly', '!==': 'is not', inside: 'is between, ends left out', truth: 'holds',
  '>': 'comes after', '<': 'comes before', '>=': 'is at or after', '<=': 'is at or before' };
const WORDS = { ...Object.fromEntries([...OPERATORS.TEXT, ...KNOWN]), ...RARE };
const MODES = [['all', 'All of these hold'], ['any', 'At least one of these holds'],
  ['not any', 'None of these holds'], ['not all', 'Not all of these hold']];
const QUANTITIES = [['some', 'at least one, for which'], ['none', 'none, for which'],
  ['all', 'at least one, and for each'], ['count', 'how many']];
const LISTS = { purchases: 'Purchases', all_purchases: 'Purchases of every status',
  'purchases.lines': 'Lines of purchases', 'all_purchases.lines': 'Lines of purchases of every status' };
const CALCULATION = '=';

/** A variable as people call it: days_since_last_purchase is “Days since last purchase”. */
const label = variable => LISTS[variable] ?? (variable.startsWith('attributes.') ? variable.slice(11)
  : title(variable).replace('Rfm', 'RFM').replace('Sku', 'SKU'));

function subject({ name: variable, type }) {
  if (type === 'LIST') return 'Purchases and segments';
  if (variable.startsWith('attributes.')) return 'Attributes';
  if (/^rfm|_score$|_label$/.test(variable)) return 'Scores and labels';
  return type === 'NUMBER' || variable.endsWith('_purchase_at') ? 'Purchases in numbers' : 'Profile';
}

const guessKind = value => ({ number: 'NUMBER', boolean: 'BOOLEAN' })[typeof [value].flat()[0]] ?? 'TEXT';

/** Make another node of one, which keeps its place and its id. */
function become(node, fields) {
  for (const key of Object.keys(node)) if (key !== 'id') delete node[key];
  Object.assign(node, fields);
}

/** A control for one value of a kind; `change` is called with the value, undefined while there is none. */
export function valueInput(kind, value, change, attributes = {}) {
  if (kind === 'BOOLEAN') {
    const onchange = ({ target }) => change({ true: true, false: false }[target.value]);
    return choice([['', 'yes or no?'], ['true', 'yes'], ['false', 'no']], value, { ...attributes, onchange });
  }
  // A timestamp to the second, or of another zone, is shown as it is written.
  const day = kind === 'INSTANT' && /^(\d{4}-\d\d-\d\d)?$/.test(value ?? '');
  const read = text => (text === '' ? undefined : kind === 'NUMBER' ? Number(text) : text);
  return h('input', {
    type: kind === 'NUMBER' ? 'number' : day ? 'date' : 'text', step: kind === 'NUMBER' ? 'any' : null,
    value: value ?? '', autocomplete: 'off', dir: kind === 'TEXT' ? 'auto' : null, ...attributes,
    oninput: ({ target }) => change(read(target.value)),
  });
}

/** A control for any number of values: those that are there, each with a button to take it away, and one to come. */
export function manyInput(kind, values, change, attributes = {}) {
  let current = values ?? [];
  const chosen = h('span', { class: 'chips' });
  const set = next => { current = next; draw(); change(current.length ? current : undefined); };
  const input = valueInput(kind, '', () => {}, { ...attributes, onkeydown: event => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    add();
  }, onchange: () => add() });
  function add() {
    const text = kind === 'TEXT' ? input.value : input.value.trim();
    const value = kind === 'NUMBER' ? Number(text) : text;
    input.value = '';
    if (text && !current.includes(value)) set([...current, value]);
  }
  function draw() {
    fill(chosen, current.map(value => h('span', { class: 'tag chip' }, name(String(value)), h('button', {
      type: 'button', class: 'quiet', 'aria-label': `Take away ${value}`,
      onclick: () => { set(current.filter(each => each !== value)); input.focus(); },
    }, '×'))));
  }
  draw();
  return h('span', { class: 'many' }, chosen, input, h('button', { type: 'button', onclick: add }, 'Add'));
}

export class RuleBuilder {
  #variables;
  #segments;
  #findValues;
  #changed;
  #values = null;
  #lists = new Map();
  #root;
  #found = new Map();

  /**
   * `variables` are those of the catalogue, `segments` have a key and a name, `findValues` promises the values that
   * occur by the name of their variable, `changed` is called after every change.
   */
  constructor({ variables, segments, findValues, changed }) {
    this.#variables = variables;
    this.#segments = segments;
    this.#findValues = findValues;
    this.#changed = changed;
    this.element = h('div', { class: 'builder' });
  }

  show(root) {
    this.#root = root;
    this.#found = new Map();
    this.#draw();
  }

  /** Say at each node what is wrong with it: sentences by node. */
  tell(found) {
    this.#found = found;
    for (const place of this.element.querySelectorAll('.failed')) fill(place);
    for (const [node, sentences] of found) {
      const place = this.element.querySelector(`#${node.id}-wrong`);
      if (place) fill(place, [...new Set(sentences)].join(' '));
    }
  }

  /** Put the focus on what has that id, or on the first control in it. */
  focus(id) {
    const controls = 'select, input, button';
    this.element.querySelector(`:is(${controls})#${id}, #${id} :is(${controls})`)?.focus();
  }

  #draw(focus = '') {
    fill(this.element, this.#drawGroup(this.#root, '', {}), [...this.#lists.values()]);
    this.tell(this.#found);
    if (focus) this.focus(focus);
  }

  #redraw(focus) {
    this.#draw(focus);
    this.#changed();
  }

  #listVariables(scope) {
    if (!scope) return this.#variables.filter(each => !each.name.includes('[].'));
    const start = `${scope}[].`;
    return this.#variables.filter(each => each.name.startsWith(start))
      .map(each => ({ ...each, name: each.name.slice(start.length), full: each.name }));
  }

  #drawGroup(group, scope, { tools = null, caption = '', inner = false }) {
    const mode = group.not ? `not ${group.mode}` : group.mode;
    const joint = group.mode === 'all' ? 'and' : 'or';
    const count = group.items.length;
    const add = node => {
      group.items.push(node);
      this.#redraw(node.id);
    };
    const setMode = ({ target }) => {
      group.mode = target.value.split(' ').at(-1);
      group.not = target.value.startsWith('not');
      this.#redraw(`${group.id}-mode`);
    };
    const modes = choice(MODES, mode,
      { id: `${group.id}-mode`, 'aria-label': 'How the conditions hold together', onchange: setMode });
    const addGroup = () => add(makeGroup([makeRow()], group.mode === 'all' ? 'any' : 'all'));
    return h('div', { class: 'rules', id: group.id, role: 'group', 'aria-label': caption || 'Conditions' },
      h('div', { class: 'rule-head' },
        h('div', { class: 'row' }, caption && h('span', { class: 'soft' }, caption),
          (!inner || count > 1 || group.not) && modes), tools),
      h('ul', { class: 'list' }, group.items.map((item, place) => [
        place > 0 && h('li', { class: 'joint', 'aria-hidden': 'true' }, joint),
        h('li', null, this.#drawNode(item, group, place, scope)),
      ])),
      h('p', { class: 'failed', id: `${group.id}-wrong` }),
      h('div', { class: 'actions' },
        h('button', { type: 'button', id: `${group.id}-add`, onclick: () => add(makeRow()) }, 'Add a condition'),
        h('button', { type: 'button', class: 'quiet', onclick: addGroup }, 'Add a group')));
  }

  #drawNode(node, group, place, scope) {
    const tools = this.#drawTools(node, group, place);
    const variable = this.#listVariables(scope).find(each => each.name === (node.name ?? node.list));
    // What is said of segments there is for those who write the rule.
    const hint = variable?.name !== 'segments' && variable?.description;
    if (node.kind === 'group') return this.#drawGroup(node, scope, { tools });
    const parts = {
      row: () => [this.#drawWhat(node, scope), this.#drawRow(node, scope)],
      list: () => [this.#drawWhat(node, scope), this.#drawList(node)],
      formula: () => [this.#drawWhat(node, scope), this.#drawFormula(node)],
      choice: () => h('span', { class: 'soft' }, 'A choice'),
      text: () => [h('span', { class: 'soft' }, 'Only the text can show this condition; it is kept as it is:'),
        h('code', null, JSON.stringify(node.rule))],
    }[node.kind]();
    return h('div', { class: 'rule', id: node.id },
      h('div', { class: 'rule-head' }, h('div', { class: 'row' }, parts), tools),
      hint && h('small', null, hint),
      h('p', { class: 'failed', id: `${node.id}-wrong` }),
      this.#drawInner(node, scope));
  }

  #drawTools(node, group, place) {
    const move = by => {
      group.items.splice(place, 1);
      group.items.splice(place + by, 0, node);
      const ends = place + by === (by < 0 ? 0 : group.items.length - 1);
      this.#redraw(`${node.id}-${(by < 0) === ends ? 'down' : 'up'}`);
    };
    const remove = () => {
      group.items.splice(place, 1);
      this.#redraw((group.items[place] ?? group.items[place - 1])?.id ?? `${group.id}-add`);
    };
    const tool = (way, text, sign, onclick, possible = true) => possible && h('button', {
      type: 'button', class: 'quiet', id: `${node.id}-${way}`, title: text, onclick,
      'aria-label': `${text} condition ${place + 1}`,
    }, sign);
    return h('span', { class: 'tools' },
      tool('up', 'Move up', '↑', () => move(-1), place > 0),
      tool('down', 'Move down', '↓', () => move(1), place < group.items.length - 1),
      tool('remove', 'Remove', '×', remove));
  }

  /** The control that says what a row is about. */
  #drawWhat(node, scope) {
    const variables = this.#listVariables(scope);
    const current = { row: node.name, list: node.list, formula: CALCULATION }[node.kind];
    const subjects = scope ? [] : [...new Set(variables.map(subject))];
    const option = each => h('option',
      { value: each.name, selected: each.name === current, title: each.description }, label(each.name));
    const known = !current || current === CALCULATION || variables.some(each => each.name === current);
    const onchange = ({ target }) => {
      this.#chooseWhat(node, variables.find(each => each.name === target.value));
      this.#redraw(`${node.id}-what`);
    };
    const attributes = { id: `${node.id}-what`, 'aria-label': 'What', 'aria-describedby': `${node.id}-wrong`, onchange };
    return h('select', attributes,
      !current && h('option', { value: '', selected: true }, 'Choose what to look at'),
      !known && h('option', { value: current, selected: true }, `${current} (unknown)`),
      scope ? variables.map(option) : subjects.map(each =>
        h('optgroup', { label: each }, variables.filter(variable => subject(variable) === each).map(option))),
      h('option', { value: CALCULATION, selected: current === CALCULATION }, 'A calculation'));
  }

  #chooseWhat(node, variable) {
    if (!variable) become(node, { kind: 'formula', formula: '', operator: '>=', value: undefined });
    else if (variable.type === 'LIST' && variable.operators.includes('some')) {
      const group = makeGroup([makeRow()]);
      const fields = { list: variable.name, where: null, take: 'some', group, operator: '>=', value: undefined };
      become(node, { kind: 'list', ...fields });
    } else {
      const kind = variable.type === 'LIST' ? 'SEGMENTS' : variable.type;
      const kept = node.kind === 'row' && OPERATORS[kind].some(([key]) => key === node.operator);
      const [[first]] = OPERATORS[kind];
      become(node, { kind: 'row', name: variable.name, operator: kept ? node.operator : first,
        value: kept && guessKind(node.value) === guessKind(variable.example) ? node.value : undefined });
    }
  }

  #drawRow(node, scope) {
    const variable = this.#listVariables(scope).find(each => each.name === node.name);
    if (!node.name) return [];
    const kind = !variable ? guessKind(node.value) : variable.type === 'LIST' ? 'SEGMENTS' : variable.type;
    return this.#drawComparison(node, kind, variable);
  }

  /** How to compare, and with what. */
  #drawComparison(node, kind, variable) {
    const offered = OPERATORS[kind].filter(([key]) => !variable?.operators.length
      || variable.operators.includes(SIGNS[key] ?? key));
    if (!offered.some(([key]) => key === node.operator)) offered.push([node.operator, WORDS[node.operator]]);
    const onchange = ({ target }) => {
      const [before, first] = [takes(node.operator), [node.value].flat()[0]];
      node.operator = target.value;
      const now = takes(node.operator);
      if (now === 'one') node.value = first;
      else if (now !== before) node.value = now === 'none' || first === undefined ? undefined : [first];
      this.#redraw(`${node.id}-how`);
    };
    const how = choice(offered, node.operator, { id: `${node.id}-how`, 'aria-label': 'How', onchange });
    return [how, ...this.#drawValue(node, kind, variable)];
  }

  #drawValue(node, kind, variable) {
    const wanted = takes(node.operator);
    if (wanted === 'none') return [];
    const change = value => {
      node.value = value;
      this.#changed();
    };
    const unit = variable?.unit && h('span', { class: 'soft', id: `${node.id}-unit` }, variable.unit);
    const attributes = { id: `${node.id}-value`, 'aria-label': 'Value', list: this.#offer(variable, kind),
      'aria-describedby': `${unit ? `${node.id}-unit ` : ''}${node.id}-wrong` };
    if (kind === 'SEGMENTS') return [this.#drawSegments(node, change, attributes)];
    if (wanted === 'many') return [manyInput(kind, node.value, change, attributes), unit];
    if (wanted === 'one') return [valueInput(kind, node.value, change, attributes), unit];
    const end = place => valueInput(kind, node.value?.[place], value => {
      const ends = [...(node.value ?? [undefined, undefined])];
      ends[place] = value;
      change(ends);
    }, { ...attributes, id: `${node.id}-value${place || ''}`, 'aria-label': place ? 'To' : 'From' });
    return [end(0), h('span', { class: 'soft' }, 'and'), end(1), unit];
  }

  #drawSegments(node, change, attributes) {
    const options = this.#segments.map(({ key, name: called }) => [key, called]);
    if (node.value && !options.some(([key]) => key === node.value)) options.push([node.value, node.value]);
    return choice([['', 'Choose a segment'], ...options], node.value,
      { ...attributes, list: null, onchange: ({ target }) => change(target.value || undefined) });
  }

  /** The id of the list of values that occur, which are asked for when they are first needed. */
  #offer(variable, kind) {
    if (kind !== 'TEXT' || !variable) return null;
    const full = variable.full ?? variable.name;
    const id = `values-${full.replaceAll(/[^\w-]/g, '_')}`;
    if (this.#lists.has(full)) return id;
    const list = h('datalist', { id });
    this.#lists.set(full, list);
    this.#values ??= this.#findValues().catch(() => new Map());
    this.#values.then(values =>
      fill(list, (values.get(full) ?? []).map(value => h('option', { value: String(value) }))));
    return id;
  }

  #drawList(node) {
    const numbers = this.#listVariables(node.list).filter(each => each.type === 'NUMBER');
    const options = [...QUANTITIES, ...numbers.map(each => [each.name, `sum of ${label(each.name).toLowerCase()}`])];
    const onchange = ({ target }) => {
      node.take = target.value;
      node.group ??= makeGroup([makeRow()]);
      this.#redraw(`${node.id}-take`);
    };
    const take = choice(options, node.take, { id: `${node.id}-take`, 'aria-label': 'What of them', onchange });
    if (this.#isQuantified(node)) return [take];
    const unit = numbers.find(each => each.name === node.take)?.unit;
    return [take, ...this.#drawComparison(node, 'NUMBER', { operators: [], unit })];
  }

  #isQuantified = node => ['some', 'all', 'none'].includes(node.take);

  #drawFormula(node) {
    const input = h('input', {
      id: `${node.id}-formula`, class: 'code', value: node.formula, 'aria-label': 'Calculation',
      'aria-describedby': `${node.id}-wrong`, autocomplete: 'off', spellcheck: 'false',
      placeholder: 'total_revenue / max(order_count, 1)',
      oninput: ({ target }) => { node.formula = target.value; this.#changed(); },
    });
    const kind = /^\s*(cat|substr)\b/.test(node.formula) ? 'TEXT' : 'NUMBER';
    return [input, ...this.#drawComparison(node, kind, null)];
  }

  /** The groups within a row: what elements must satisfy, which of them are looked at; branches of a choice. */
  #drawInner(node, scope) {
    if (node.kind === 'choice') {
      const caption = place => (place % 2 ? 'then' : place < node.parts.length - 1 ? 'If' : 'else');
      return node.parts.map((part, place) => this.#drawGroup(part, scope, { caption: caption(place), inner: true }));
    }
    if (node.kind !== 'list') return [];
    const set = where => {
      node.where = where;
      this.#redraw(where?.id ?? `${node.id}-take`);
    };
    const quiet = (text, make) => h('button', { type: 'button', class: 'quiet', onclick: () => set(make()) }, text);
    const all = quiet('Look at all of them', () => null);
    const some = quiet('Look only at some of them', () => makeGroup([makeRow()]));
    const caption = 'Look only at those for which';
    return [
      this.#isQuantified(node) && this.#drawGroup(node.group, node.list, { caption: 'for which', inner: true }),
      node.where && this.#drawGroup(node.where, node.list, { caption, inner: true, tools: all }),
      !node.where && h('div', null, some),
    ];
  }
}

/** Rows that do not say all that they must, each with a sentence. */
export function listIncomplete(root) {
  const describe = row => (row.kind === 'formula' && row.formula
    ? 'This calculation cannot be read, or has nothing to be compared with.'
    : 'Complete this condition, or remove it.');
  return new Map(listRows(root).filter(row => !isComplete(row)).map(row => [row, [describe(row)]]));
}
