import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './page.css';

import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { GraphiQL } from 'graphiql';
import { createRoot } from 'react-dom/client';

import { EXAMPLE_TABS, readExamples } from './examples.js';
import { examplesPlugin } from './ExamplesPlugin.jsx';
import { fetcher } from './fetcher.js';
import { storage } from './storage.js';
import { WELCOME } from './welcome.js';
import { WordWrap } from './WordWrap.jsx';

const examples = readExamples(
  import.meta.glob('../../docs/queries/*.graphql', { query: '?raw', import: 'default', eager: true }),
);
const tabs = [{ query: WELCOME }, ...examples.slice(0, EXAMPLE_TABS)];
const plugins = [examplesPlugin(examples), HISTORY_PLUGIN];

createRoot(document.getElementById('root')).render(
  <GraphiQL
    fetcher={fetcher}
    storage={storage}
    plugins={plugins}
    defaultQuery={WELCOME}
    defaultTabs={tabs.map(({ query, variables }) => ({ query, variables }))}
    defaultEditorToolsVisibility="variables"
    inputValueDeprecation
    schemaDescription
  >
    <GraphiQL.Logo>
      <a href="/" className="heirloom-logo">
        Heirloom
      </a>
    </GraphiQL.Logo>
    <WordWrap />
  </GraphiQL>,
);
