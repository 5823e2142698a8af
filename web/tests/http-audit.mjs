// Runs the audits of the GraphQL-over-HTTP specification (npm graphql-http) against a running server.
//
//   node tests/http-audit.mjs http://127.0.0.1:8080/graphql
//
// Prints each audit that is not ok and a closing line; exits with 1 unless all are ok.

import { serverAudits } from 'graphql-http';

const url = process.argv[2];
if (!url) {
  console.error('usage: http-audit.mjs URL-of-the-graphql-endpoint');
  process.exit(2);
}

const audits = serverAudits({ url, fetchFn: fetch });
let passed = 0;
for (const audit of audits) {
  const result = await audit.fn();
  if (result.status === 'ok') {
    passed += 1;
    continue;
  }
  console.log(`${result.status.toUpperCase()} ${audit.id}: ${audit.name}\n  ${result.reason}`);
  if (result.response) console.log(`  answered ${result.response.status}: ${await bodyOf(result.response)}`);
}
console.log(`${passed} of ${audits.length} audits ok`);
process.exit(audits.length > 0 && passed === audits.length ? 0 : 1);

async function bodyOf(response) {
  try {
    return (await response.text()).slice(0, 300);
  } catch {
    return '(the body was already read)';
  }
}
