import { Refusal, Unanswered } from './errors.ts';

/** Reads one answer of GitHub's REST API. */
export type GitHub = (path: string) => Promise<unknown>;

/**
 * @throws Refusal when GitHub can't be reached, Unanswered when it answers with an error, so that what depends on the
 * answer doesn't happen
 */
export function createGitHub(api: string, token: string): GitHub {
  return async (path) => {
    const url = `${api}${path}`;
    const headers = {
      authorization: `Bearer ${token}`,
      accept: 'application/vnd.github+json',
      'x-github-api-version': '2022-11-28',
    };
    let response: Response;
    try {
      response = await fetch(url, { headers, signal: AbortSignal.timeout(60_000) });
    } catch (error) {
      throw new Refusal(`${url} can't be reached: ${(error as Error).message}.`, 'Run the failed jobs again.');
    }
    if (!response.ok) {
      throw new Unanswered(
        response.status,
        `${url} answers ${response.status}.`,
        'The calling job needs "permissions: contents: read, actions: read".',
      );
    }
    return response.json();
  };
}
