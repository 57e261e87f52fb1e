// The shop: what it is called and counts in, its storefronts, and how its reports look.

import { Refused, change } from '../../api.js';
import { button, field, h, name, panel, table } from '../../elements.js';
import { finish, load, settingsForm } from './form.js';

const RENAME = /* GraphQL */ `
  mutation RenameStorefront($id: ID!, $name: String!) {
    updateStorefront(id: $id, name: $name) {
      storefront { id name }
      userErrors { field message code }
    }
  }
`;

export async function show(page) {
  const data = await load(page.signal);
  const { business } = page.viewer;
  const facts = [['Name', name(business.name)], ['Key', h('code', null, business.key)], ['Currency', business.currency], ['Time zone', business.timeZone]];
  return h('div', { class: 'panels' },
    h('div', { class: 'page' }, panel('Shop', {},
      h('dl', { class: 'facts' }, facts.map(([what, value]) => [h('dt', null, what), h('dd', null, value)])),
      h('p', { class: 'soft' }, 'The time zone decides every calendar day, and the currency is fixed once there are purchases. They are changed on the server: ',
        h('code', null, `segments businesses set ${business.key} --name … --time-zone …`))),
    panel('Storefronts', {}, drawStorefronts(page, data.storefronts))),
    panel('Reports', {}, settingsForm(page, data, [['', ['brand.logo', 'brand.colour', 'brand.currency']]])));
}

function drawStorefronts(page, storefronts) {
  return table('Names of storefronts', [
    { title: 'Key', cell: each => h('code', null, each.key) },
    { title: 'Name', cell: each => (page.mayEdit ? rename(page, each) : name(each.name)) },
  ], storefronts, { empty: 'No purchase says where it was made, so there are no storefronts.' });
}

function rename(page, storefront) {
  const called = field(`Name of ${storefront.key}`, h('input', { id: `storefront-${storefront.key}`, value: storefront.name, dir: 'auto', autocomplete: 'off' }));
  // The column says what it is.
  called.querySelector('label').className = 'unseen';
  const save = async () => {
    called.fail('');
    try {
      await change(RENAME, { id: storefront.id, name: called.control.value.trim() });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      called.fail(error.message);
      return;
    }
    await finish(page, `${storefront.key} is called ${called.control.value.trim()} now.`);
  };
  const submit = button('Rename', save);
  return h('form', { class: 'row rename', onsubmit: event => { event.preventDefault(); submit.querySelector('button').click(); } }, called, submit);
}
