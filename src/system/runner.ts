/** How a run is called where people find its locks or its journal: the address of the workflow run, or this process. */
export function runName(environment: NodeJS.ProcessEnv): string {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, GITHUB_RUN_ID: run } = environment;
  return server && repository && run
    ? `${server}/${repository}/actions/runs/${run}`
    : `local run of process ${process.pid}`;
}
