import { useGraphiQL } from '@graphiql/react';
import { useEffect } from 'react';

/** Wraps long lines of the query: the examples begin with sentences, which nobody wants to scroll for. */
export function WordWrap() {
  const { queryEditor } = useGraphiQL(({ queryEditor }) => ({ queryEditor }));
  useEffect(() => queryEditor?.updateOptions({ wordWrap: 'on' }), [queryEditor]);
  return null;
}
