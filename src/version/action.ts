/** This action's version, as package.json and the release's tag have it. */
export const ACTION_VERSION = '1.0.0';
