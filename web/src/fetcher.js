/**
 * Sends one operation to the server that this page came from. An answer that is no GraphQL (a proxy's page, a
 * server that is gone) becomes a readable error in the response pane.
 */
export async function fetcher({ query, variables, operationName }, { headers } = {}) {
  let response;
  try {
    response = await fetch('/graphql', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json, application/json;q=0.9',
        ...headers,
      },
      body: JSON.stringify({ query, variables, operationName: currentName(query, operationName) }),
    });
  } catch (error) {
    return failure(`The server could not be reached: ${error.message}`);
  }
  const body = await response.text();
  try {
    return JSON.parse(body);
  } catch {
    return failure(`The server answered ${response.status} with something that is no JSON: ${body.slice(0, 500)}`);
  }
}

/**
 * The editor learns a moment late which operations its text has, so that right after an edit or a change of tabs the
 * name can be that of an earlier text. A name that the text does not contain is left out.
 */
function currentName(query, operationName) {
  return operationName && new RegExp(`\\b${operationName}\\b`).test(query) ? operationName : undefined;
}

function failure(message) {
  return { errors: [{ message }] };
}
