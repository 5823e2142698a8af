// Drives GraphiQL in headless Chromium as a person would: opens the page, looks at the example tabs, types a query
// into a new tab, runs it with Ctrl-Enter and reads the answer.
//
//   node tests/graphiql.mjs http://127.0.0.1:8080/ --query '{ revision { number } }' --expect '"number"'
//        [--variables '{"a": 1}'] [--tabs 7] [--tab Welcome] [--run-examples] [--screenshot page.png]
//
// --expect    text that the answer must contain, white space apart; may be given more than once
// --tabs      how many tabs must be open at least (default 2: the welcome and one example)
// --tab       the title of a tab that must be open; may be given more than once
// --run-examples  runs every open tab too; each must answer data and no errors
//
// The browser is $CHROMIUM, or the first found on PATH. Fails on any request that leaves the server's host, on any
// violation of the page's content security policy, and on any error of a script.

import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';

import { chromium } from 'playwright-core';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    query: { type: 'string' },
    variables: { type: 'string' },
    expect: { type: 'string', multiple: true, default: [] },
    tabs: { type: 'string', default: '2' },
    tab: { type: 'string', multiple: true, default: [] },
    'run-examples': { type: 'boolean', default: false },
    screenshot: { type: 'string' },
  },
});
if (positionals.length !== 1 || !options.query) {
  console.error("usage: graphiql.mjs URL --query QUERY [--expect TEXT]... (see the file's head)");
  process.exit(2);
}

const TIMEOUT = 60_000; // a busy two-core machine compiles Monaco for many seconds
const origin = new URL(positionals[0]).origin;
const faults = [];
const profile = mkdtempSync(join(tmpdir(), 'heirloom-chromium-'));
let context;
try {
  context = await launch(profile);
  const page = await open(context);
  await checkTabs(page);
  if (options['run-examples']) await runOpenTabs(page);
  await typeAndRun(page, options.query, options.variables);
  const answer = await readAnswer(page);
  for (const text of options.expect) {
    if (!squeeze(answer).includes(squeeze(text))) faults.push(`the answer does not contain ${text}:\n${answer}`);
  }
  if (options.screenshot) await page.screenshot({ path: options.screenshot });
  await page.waitForTimeout(250); // a late request would show now
} catch (error) {
  faults.push(error.stack ?? String(error));
} finally {
  await context?.close();
  rmSync(profile, { recursive: true, force: true });
}

for (const fault of faults) console.error(`FAILED: ${fault}`);
if (faults.length === 0) console.log('GraphiQL: page, example tabs, typed query and answer ok; no request left the host');
process.exit(faults.length === 0 ? 0 : 1);

/** A browser with an empty profile that makes no connection of its own. */
async function launch(userDataDir) {
  return chromium.launchPersistentContext(userDataDir, {
    executablePath: findBrowser(),
    headless: true,
    viewport: { width: 1440, height: 900 },
    args: [
      '--no-sandbox', // root, as in a container, has no other way
      '--disable-gpu',
      '--disable-quic',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

function findBrowser() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of names) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // not in this folder
      }
    }
  }
  throw new Error('no browser: set CHROMIUM to the path of Chromium or Chrome, or put one on PATH');
}

async function open(context) {
  await context.route('**/*', (route) => {
    const url = route.request().url();
    if (isOwn(url)) return route.continue();
    faults.push(`a request left the host: ${url}`);
    return route.abort();
  });
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(TIMEOUT);
  page.on('pageerror', (error) => faults.push(`a script failed: ${error.message}`));
  page.on('console', (message) => {
    if (/Content Security Policy/i.test(message.text())) faults.push(`refused by the policy: ${message.text()}`);
  });
  page.on('response', (response) => {
    // A GraphQL error is an answer; an asset that is missing is not.
    if (response.status() >= 400 && !response.url().endsWith('/graphql')) {
      faults.push(`${response.url()} answered ${response.status()}`);
    }
  });
  const response = await page.goto(positionals[0]);
  const policy = response.headers()['content-security-policy'] ?? '';
  if (!/default-src 'self'/.test(policy)) faults.push(`the page comes without a strict policy: "${policy}"`);
  await page.locator('.graphiql-query-editor .monaco-editor textarea, .graphiql-query-editor .native-edit-context').first()
    .waitFor({ state: 'attached' });
  if (!/Heirloom/.test(await page.title())) faults.push(`the page's title is "${await page.title()}"`);
  return page;
}

function isOwn(url) {
  return url.startsWith(`${origin}/`) || url.startsWith(`blob:${origin}/`) || url.startsWith('data:');
}

function tabs(page) {
  return page.locator('[role="tab"]');
}

async function checkTabs(page) {
  const titles = (await tabs(page).allInnerTexts()).map((title) => title.trim());
  if (titles.length < Number(options.tabs)) {
    faults.push(`expected at least ${options.tabs} tabs, found ${titles.length}: ${titles.join(', ')}`);
  }
  for (const title of options.tab) {
    if (!titles.includes(title)) faults.push(`no tab is titled ${title}: ${titles.join(', ')}`);
  }
}

async function runOpenTabs(page) {
  const count = await tabs(page).count();
  for (let index = 0; index < count; index += 1) {
    await tabs(page).nth(index).click();
    const title = (await tabs(page).nth(index).innerText()).trim();
    await page.locator('.graphiql-query-editor .monaco-editor').first().click();
    await page.keyboard.press('Control+Enter');
    const answer = await readAnswer(page);
    if (!/"data"/.test(answer) || /"errors"/.test(answer)) faults.push(`the tab ${title} answers\n${answer}`);
  }
}

async function typeAndRun(page, query, variables) {
  await page.getByRole('button', { name: 'New tab' }).click();
  await typeInto(page, '.graphiql-query-editor', query);
  if (variables) {
    await typeInto(page, '.graphiql-editor-tool:not(.hidden)', variables);
    await page.locator('.graphiql-query-editor .monaco-editor').first().click();
  }
  await page.keyboard.press('Control+Enter');
}

/** Types with the keyboard. The editor closes brackets itself, and typing a closing one steps over it. */
async function typeInto(page, pane, text) {
  await page.locator(`${pane} .monaco-editor`).first().click();
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Delete');
  await page.keyboard.type(text, { delay: 15 });
  await page.keyboard.press('Escape'); // a completion list would take the next key
}

/** The text of the response pane, once there is one. The pane draws only the lines in view. */
async function readAnswer(page) {
  const lines = page.locator('.graphiql-response .view-lines');
  await page.waitForFunction(
    () => /[{}]/.test(document.querySelector('.graphiql-response .view-lines')?.textContent ?? ''),
    undefined,
    { timeout: TIMEOUT },
  );
  await page.locator('.graphiql-response .graphiql-spinner').waitFor({ state: 'detached' });
  return (await lines.innerText()).replaceAll('\u00a0', ' ');
}

function squeeze(text) {
  return text.replace(/\s+/g, '');
}
