import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';

function Icon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <path d="M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01" strokeLinecap="round" />
    </svg>
  );
}

/** A sidebar panel that lists all examples; one click opens one in a new tab. */
export function examplesPlugin(examples) {
  function Examples() {
    const { addTab } = useGraphiQLActions();
    const { queryEditor, variableEditor } = useGraphiQL(({ queryEditor, variableEditor }) => ({
      queryEditor,
      variableEditor,
    }));

    const open = ({ query, variables }) => {
      addTab();
      queryEditor?.setValue(query);
      variableEditor?.setValue(variables ?? '');
    };

    return (
      <section aria-label="Examples" className="examples">
        <div className="graphiql-doc-explorer-title">Examples</div>
        {examples.length === 0 && <p>This page was built without example queries.</p>}
        <ul>
          {examples.map((example) => (
            <li key={example.path}>
              <button type="button" onClick={() => open(example)}>
                <strong>{example.title}</strong>
                <span>{example.explanation}</span>
              </button>
            </li>
          ))}
        </ul>
      </section>
    );
  }
  return { title: 'Examples', icon: Icon, content: Examples };
}
