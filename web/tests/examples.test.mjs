import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { buildSchema, parse, validate } from 'graphql';

import { parseExample, readExamples } from '../src/examples.js';
import { WELCOME } from '../src/welcome.js';

const repository = join(import.meta.dirname, '..', '..');

test('an example is split into title, explanation, query and variables', () => {
  const example = parseExample(
    '01-latest.graphql',
    '# Latest: the newest version: of one\n# artifact.\n#> variables: {"name": "a: b"}\n#> statements: <= 2\nquery Latest($name: String!) { a }\n',
  );
  assert.equal(example.title, 'Latest');
  assert.equal(example.explanation, 'the newest version: of one artifact.');
  assert.equal(example.query, '# Latest: the newest version: of one\n# artifact.\nquery Latest($name: String!) { a }\n');
  assert.deepEqual(JSON.parse(example.variables), { name: 'a: b' });
});

test('variables may go on in further lines', () => {
  const { query, variables } = parseExample('03.graphql', '# A: b\n#> variables: {\n#>   "list": [1,\n#>   2]\n#> }\n{ a }');
  assert.deepEqual(JSON.parse(variables), { list: [1, 2] });
  assert.equal(query, '# A: b\n{ a }\n');
});

test('an example without comment or variables is still an example', () => {
  const example = parseExample('02-bare.graphql', '{ revision { number } }');
  assert.equal(example.title, '02-bare.graphql');
  assert.equal(example.variables, null);
});

test('variables that are no JSON stop the build and name the file', () => {
  assert.throws(() => parseExample('03.graphql', '# A: b\n#> variables: {a}\n{ a }'), /03\.graphql/);
});

test('examples come in the order of their names', () => {
  const paths = readExamples({ 'b/10-x': '{ a }', 'b/02-y': '{ a }' }).map(({ path }) => path);
  assert.deepEqual(paths, ['b/02-y', 'b/10-x']);
});

test('the welcome and all examples have a name, a title and are valid against schema.graphql', () => {
  const schema = buildSchema(readFileSync(join(repository, 'schema.graphql'), 'utf8'));
  const folder = join(repository, 'docs', 'queries');
  const files = readdirSync(folder).filter((name) => name.endsWith('.graphql'));
  const examples = files.map((name) => parseExample(name, readFileSync(join(folder, name), 'utf8')));
  for (const { path, title, explanation, query } of [
    ...examples,
    { path: 'welcome', title: 'Welcome', explanation: 'the first tab', query: WELCOME },
  ]) {
    const document = parse(query);
    assert.ok(document.definitions[0].name, `${path}: the operation's name is the title of its tab`);
    assert.ok(title !== path && explanation, `${path}: the first line is "# Title: explanation"`);
    assert.deepEqual(validate(schema, document).map(String), [], path);
  }
});
