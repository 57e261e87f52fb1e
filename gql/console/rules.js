// Rules as rows: JSONLogic becomes groups and rows that a form can show, and they become JSONLogic again. A part is a
// row exactly where printing the row gives the same JSON; anything else is kept as the text that it is. Nothing here
// knows the page or the names of variables.

const COMPARISONS = ['==', '===', '!=', '!==', '<', '<=', '>', '>='];
const QUANTITIES = ['some', 'all', 'none'];
const not = rule => ({ '!': [rule] });

/** How each way to compare is written; `of` is what is compared. */
const FORMS = {
  ...Object.fromEntries(COMPARISONS.map(sign => [sign, (of, value) => ({ [sign]: [of, value] })])),
  'null': of => ({ '==': [of, null] }),
  'not null': of => ({ '!=': [of, null] }),
  'between': (of, [least, most]) => ({ '<=': [least, of, most] }),
  'inside': (of, [least, most]) => ({ '<': [least, of, most] }),
  'one of': (of, values) => ({ in: [of, values] }),
  'none of': (of, values) => not({ in: [of, values] }),
  'contains': (of, value) => ({ in: [value, of] }),
  'contains not': (of, value) => not({ in: [value, of] }),
  'missing': of => ({ missing: [of.var] }),
  'there': of => not({ missing: [of.var] }),
  'truth': of => of,
};
const NEGATED = { 'one of': 'none of', 'contains': 'contains not', 'missing': 'there' };
/** How many values a way to compare takes. */
export function takes(operator) {
  if (['null', 'not null', 'missing', 'there', 'truth'].includes(operator)) return 'none';
  if (['between', 'inside'].includes(operator)) return 'two';
  return ['one of', 'none of'].includes(operator) ? 'many' : 'one';
}

let lastId = 0;
const make = (kind, fields) => ({ id: `rule-${++lastId}`, kind, ...fields });

/** Conditions that hold together: all of them, or any; `not` turns the whole round. */
export const makeGroup = (items = [], mode = 'all', fields = {}) =>
  make('group', { mode, not: false, form: '', items, ...fields });
export const makeRow = fields => make('row', { name: '', operator: '', value: undefined, ...fields });

/** The root group of a rule: an object, a list of them, or null where there is none. */
export function readRule(rule) {
  if (rule === null || rule === undefined) return makeGroup();
  if (Array.isArray(rule)) {
    const list = makeGroup(rule.map(read), 'all', { form: 'list' });
    return isSame(printRule(list), rule) ? list : makeGroup([make('text', { rule })]);
  }
  return readInner(rule);
}

/**
 * The rule of a group, null where no row in it is complete; such rows are left out. `made` tells afterwards which node
 * each object of the rule was made of.
 */
export function printRule(node, made = new Map()) {
  const rule = node.kind === 'group' ? printGroup(node, made) : printRow(node, made);
  // A group of one row is that row: what is to be said of it is said there.
  if (rule !== null && !made.has(rule)) made.set(rule, node);
  return rule;
}

/** The node that a JSON pointer into a printed rule belongs to; the nearest one around it. */
export function findNode(rule, pointer, made) {
  let [place, found] = [rule, made.get(rule)];
  for (const step of pointer.split('/').slice(1)) {
    place = place?.[step.replaceAll('~1', '/').replaceAll('~0', '~')];
    found = made.get(place) ?? found;
  }
  return found;
}

/** Whether a row says all that it must, so that it can be printed. */
export const isComplete = node => printRule(node) !== null;

/** Every row below a node that is not a group. */
export function listRows(node) {
  const inner = [node.items, node.parts, node.where, node.group].flat().filter(Boolean);
  return [...(node.kind === 'group' ? [] : [node]), ...inner.flatMap(listRows)];
}

/** A rule as text that people can read: short parts in a line. */
export function format(rule, indent = '') {
  const line = JSON.stringify(rule, null, 1)
    .replace(/([[{])\n *|\n *([\]}])|\n */g, (space, before, after) => before ?? after ?? ' ');
  if (line.length + indent.length <= 64 || rule === null || typeof rule !== 'object') return line;
  const deeper = `${indent}  `;
  if (Array.isArray(rule)) return `[\n${rule.map(each => deeper + format(each, deeper)).join(',\n')}\n${indent}]`;
  const parts = Object.entries(rule).map(([key, value]) => `${JSON.stringify(key)}: ${format(value, indent)}`);
  return `{${parts.join(', ')}}`;
}

export const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** The operator of a part and its arguments; no arguments where it is written otherwise. */
function open(rule) {
  if (rule === null || typeof rule !== 'object' || Array.isArray(rule)) return ['', []];
  const [[sign, parts] = ['', []], ...more] = Object.entries(rule);
  return Array.isArray(parts) && !more.length ? [sign, parts] : ['', []];
}

function read(rule) {
  const node = readGroup(rule) ?? readQuantified(rule) ?? readChoice(rule) ?? readRow(rule);
  return node && isSame(printRule(node), rule) ? node : make('text', { rule });
}

function readGroup(rule) {
  const [sign, parts] = open(rule);
  if (sign === 'and' || sign === 'or') {
    const form = parts.length === 1 ? 'sign' : '';
    return makeGroup(parts.map(read), sign === 'and' ? 'all' : 'any', { form });
  }
  if (sign !== '!' || parts.length !== 1 || ['in', 'missing'].includes(open(parts[0])[0])) return null;
  const inner = read(parts[0]);
  if (inner.kind === 'group' && !inner.not) return { ...inner, not: true };
  return makeGroup([inner], 'any', { not: true });
}

function printGroup({ mode, not: turned, form, items }, made) {
  const rules = items.map(item => printRule(item, made)).filter(rule => rule !== null);
  if (!rules.length) return null;
  if (form === 'list' && mode === 'all' && !turned) return rules;
  const rule = rules.length === 1 && form !== 'sign' ? rules[0] : { [mode === 'all' ? 'and' : 'or']: rules };
  return turned ? not(rule) : rule;
}

/** A condition as a group, such as stands after `some` and within a choice. */
function readInner(rule) {
  const node = read(rule);
  return node.kind === 'group' ? node : makeGroup([node]);
}

/** A list and the condition that narrows it; null where it is something else. */
function readList(rule) {
  const [sign, [list, where]] = open(rule);
  if (sign === 'filter' && typeof list?.var === 'string') return { list: list.var, where: readInner(where) };
  return typeof rule?.var === 'string' ? { list: rule.var, where: null } : null;
}

function printList({ list, where }, made) {
  const condition = where && printRule(where, made);
  return condition === null ? { var: list } : { filter: [{ var: list }, condition] };
}

function readQuantified(rule) {
  const [sign, parts] = open(rule);
  const list = QUANTITIES.includes(sign) && readList(parts[0]);
  return list ? make('list', { ...list, take: sign, group: readInner(parts[1]) }) : null;
}

function readChoice(rule) {
  const [sign, parts] = open(rule);
  return sign === 'if' || sign === '?:' ? make('choice', { sign, parts: parts.map(readInner) }) : null;
}

/** What is compared: a variable, the number or a sum of a list's elements, or a calculation. */
function readSubject(of) {
  if (typeof of?.var === 'string') return { kind: 'row', name: of.var };
  const [sign, [elements, step]] = open(of);
  const list = sign === 'reduce' && readList(elements);
  if (list) {
    const added = String(open(step)[1][1]?.var ?? '').replace(/^current\./, '');
    return { kind: 'list', ...list, take: added || 'count' };
  }
  const formula = printFormula(of);
  return formula && { kind: 'formula', formula };
}

function printSubject(node, made) {
  if (node.kind === 'formula') return readFormula(node.formula);
  if (node.kind === 'row') return node.name ? { var: node.name } : null;
  const step = node.take === 'count' ? 1 : { var: `current.${node.take}` };
  return { reduce: [printList(node, made), { '+': [{ var: 'accumulator' }, step] }, 0] };
}

function readRow(rule) {
  const compared = readComparison(rule);
  const subject = compared && readSubject(compared.of);
  const { operator, value } = compared ?? {};
  return subject ? make(subject.kind, { ...subject, operator, value }) : null;
}

function readComparison(rule) {
  const [sign, parts] = open(rule);
  const [first, second, third] = parts;
  if (sign === '!') {
    const inner = readComparison(first);
    return inner && { ...inner, operator: NEGATED[inner.operator] };
  }
  if (sign === 'in') {
    return Array.isArray(second) ? { operator: 'one of', of: first, value: second }
      : { operator: 'contains', of: second, value: first };
  }
  if (sign === 'missing') return { operator: 'missing', of: { var: first } };
  if (parts.length === 3 && (sign === '<=' || sign === '<')) {
    return { operator: sign === '<=' ? 'between' : 'inside', of: second, value: [first, third] };
  }
  if (COMPARISONS.includes(sign)) {
    if (second === null) return { operator: sign.startsWith('!') ? 'not null' : 'null', of: first };
    return { operator: sign, of: first, value: second };
  }
  return typeof rule?.var === 'string' ? { operator: 'truth', of: rule } : null;
}

const isValue = value => ['string', 'number', 'boolean'].includes(typeof value) && value !== '';

function printRow(node, made) {
  if (node.kind === 'text') return node.rule;
  if (node.kind === 'choice') {
    const parts = node.parts.map(part => printRule(part, made));
    return parts.includes(null) ? null : { [node.sign]: parts };
  }
  if (QUANTITIES.includes(node.take)) {
    const condition = printRule(node.group, made);
    return condition === null ? null : { [node.take]: [printList(node, made), condition] };
  }
  const { operator, value } = node;
  const wanted = takes(operator);
  const values = wanted === 'one' ? [value] : Array.isArray(value) ? value : [];
  const enough = wanted === 'two' ? values.length === 2 : values.length > 0;
  const given = wanted === 'none' || (enough && values.every(isValue));
  const of = given && FORMS[operator] ? printSubject(node, made) : null;
  return of === null ? null : FORMS[operator](of, value);
}

// Calculations as people write them: total_revenue / max(tenure_days, 30).

const RANKS = { '+': 1, '-': 1, '*': 2, '/': 2, '%': 2 };
const TIGHTEST = 3;
const FUNCTIONS = ['min', 'max', 'cat', 'substr'];
const TOKENS = /\s*(?:(\d+(?:\.\d+)?(?:e[+-]?\d+)?)|("(?:[^"\\]|\\.)*")|([\p{L}_][\p{L}\p{N}_.]*)|([-+*/%(),]))/iuy;

/** The text of a calculation; null where it has none, such as a choice within it. */
export function printFormula(value, rank = 0) {
  if (typeof value === 'number' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value?.var === 'string') return value.var;
  const [sign, parts] = open(value);
  const single = sign === '-' && parts.length === 1;
  const own = single ? TIGHTEST : RANKS[sign];
  if (!parts.length || (!own && !FUNCTIONS.includes(sign))) return null;
  // The first operand needs brackets only where it would run together with the others.
  const chained = open(parts[0])[0] === sign && (sign === '+' || sign === '*');
  const texts = parts.map((part, place) => printFormula(part, !own ? 0 : place || chained ? own + 1 : own));
  if (texts.includes(null)) return null;
  if (!own) return `${sign}(${texts.join(', ')})`;
  const text = single ? `-${texts[0]}` : texts.join(` ${sign} `);
  return own < rank ? `(${text})` : text;
}

/** The calculation of a text; null where it cannot be read. */
export function readFormula(text) {
  const tokens = [];
  TOKENS.lastIndex = 0;
  for (let found; TOKENS.lastIndex < text.trimEnd().length; tokens.push(found)) {
    if (!(found = TOKENS.exec(text))) return null;
  }
  let place = 0;
  const next = sign => tokens[place]?.[4] === sign && Boolean(++place);
  const fail = () => { throw new SyntaxError(text); };

  function readChain(signs, readOperand) {
    let [value, chain] = [readOperand(), null];
    for (let sign; (sign = signs.find(next));) {
      const operand = readOperand();
      if (chain?.sign === sign) chain.parts.push(operand);
      else {
        chain = { sign, parts: [value, operand] };
        value = { [sign]: chain.parts };
        if (sign !== '+' && sign !== '*') chain = null;
      }
    }
    return value;
  }
  const readSum = () => readChain(['+', '-'], () => readChain(['*', '/', '%'], readOperand));
  function readOperand() {
    if (next('-')) {
      const value = readOperand();
      return typeof value === 'number' ? -value : { '-': [value] };
    }
    if (next('(')) {
      const value = readSum();
      return next(')') ? value : fail();
    }
    const [, digits, quoted, named] = tokens[place++] ?? fail();
    if (digits) return Number(digits);
    if (quoted) return JSON.parse(quoted);
    if (!named) fail();
    if (!next('(')) return { var: named };
    const parts = [];
    do parts.push(readSum()); while (next(','));
    return next(')') && FUNCTIONS.includes(named) ? { [named]: parts } : fail();
  }
  try {
    const value = readSum();
    return place === tokens.length ? value : null;
  } catch {
    return null;
  }
}
