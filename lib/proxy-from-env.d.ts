// proxy-from-env — the types of that package, which has none of its own. Source: its README, version 2.

declare module 'proxy-from-env' {
  /** The proxy for a URL, of the environment; '' is none. */
  export function getProxyForUrl(url: string): string;
}
