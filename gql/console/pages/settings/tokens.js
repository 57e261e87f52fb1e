// Tokens: how they are made, and how they are revoked, with the consequences told before it is done.

import { Refused, change } from '../../api.js';
import { button, choice, confirm, field, h, name, panel } from '../../elements.js';
import { instant } from '../../words.js';
import { finish, readOnly } from './form.js';

const REVOKE = /* GraphQL */ `
  mutation RevokeTokens($jti: String, $subject: String, $issuedBefore: DateTime) {
    revokeTokens(jti: $jti, subject: $subject, issuedBefore: $issuedBefore) {
      revokedAt
      userErrors { field message code }
    }
  }
`;

const WHICH = [['subject', 'All of one person or program'], ['jti', 'One token, by its id'], ['everybody', 'Everybody’s that was issued before an instant']];
const FOLLOWS = 'Within five seconds no request with them is answered, open connections are closed, and links to files that were made with them open nothing. This cannot be taken back: whoever should come in again needs a new token.';

export async function show(page) {
  const { subject, permissions, business } = page.viewer;
  return h('div', { class: 'panels' },
    panel('Making tokens', {},
      h('p', null, 'A token is for one shop, one person or program, and some hours. It is made where the secret is: on the server, or by a backend of your own.'),
      h('pre', null, `segments token --business ${business.key} --subject ann --permission customers:view`),
      h('ul', null,
        h('li', null, h('code', null, 'customers:view'), ' is for every read, ', h('code', null, 'customers:edit'), ' for every write and the audit log.'),
        h('li', null, 'The subject stands in the audit log with all that was done: give each person and each program its own.'),
        h('li', null, 'With ', h('code', null, '--show-id'), ' the command tells by which id the token can be revoked.')),
      h('p', null, 'You are signed in as ', h('strong', null, name(subject)), ', with ', permissions.join(' and '), '. ',
        'The console keeps the token in this tab only.')),
    panel('Revoking tokens', {}, page.mayEdit ? revocation(page) : readOnly()));
}

function revocation(page) {
  const which = field('Which tokens', choice(WHICH, page.query.get('which') ?? 'subject', {
    id: 'which', onchange: () => page.change({ which: which.control.value }, { replace: true }),
  }));
  const kind = which.control.value;
  const subject = field('Subject', h('input', { id: 'subject', autocomplete: 'off', dir: 'auto' }), 'As the audit log has it.');
  const jti = field('Id of the token', h('input', { id: 'jti', autocomplete: 'off' }), 'Its claim jti, as “segments token --show-id” told it.');
  const before = field('Issued before', h('input', { id: 'before', type: 'datetime-local', step: '1' }),
    `In the time zone of the shop, ${page.viewer.business.timeZone}. ${kind === 'subject' ? 'Empty is up to now.' : ''}`);
  const fields = { subject: [subject, before], jti: [jti], everybody: [before] }[kind];
  const work = async () => {
    fields.forEach(each => each.fail(''));
    const [needed] = fields;
    if (!needed.control.value.trim()) {
      needed.fail('Say which tokens first.');
      needed.control.focus();
      return;
    }
    const given = { [kind === 'everybody' ? 'issuedBefore' : kind]: needed.control.value.trim() };
    if (kind === 'subject' && before.control.value) given.issuedBefore = before.control.value;
    const done = await confirm('Revoke these tokens?', [tellWhich(given), FOLLOWS, ...tellOwn(page, given)], 'Revoke', async () => {
      const { revokedAt } = await change(REVOKE, given);
      given.revokedAt = revokedAt;
    });
    if (done) await finish(page, `Revoked at ${instant(given.revokedAt)}: within five seconds nobody comes in with them.`);
  };
  const blamed = async () => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      fields[0].fail(error.message);
    }
  };
  const submit = button('Revoke …', blamed, { kind: 'danger' });
  return h('form', { class: 'stack', onsubmit: event => { event.preventDefault(); submit.querySelector('button').click(); } },
    which, fields, h('div', { class: 'actions' }, submit));
}

function tellWhich({ jti, subject, issuedBefore }) {
  const time = issuedBefore?.replace('T', ' ');
  if (jti) return `One token is revoked: ${jti}.`;
  if (subject) return time ? `All tokens of ${subject} that were issued before ${time} are revoked.` : `All tokens of ${subject} that were issued up to now are revoked.`;
  return `All tokens of everybody that were issued before ${time} are revoked, those of programs such as tills and imports, too.`;
}

const tellOwn = (page, { jti, subject }) => (subject === page.viewer.subject || !(jti || subject)
  ? ['Your own token is likely among them: you will be asked for a new one.'] : []);
