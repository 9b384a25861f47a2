// backoffoptions — how long a connection waits between its attempts: the `backoff` option.
// Read by retrysettings.ts, which checks it. Invariant: all durations are milliseconds.
// Source: AWS, Exponential Backoff and Jitter; Gun retry_timeout; WebsockexNova's strategies.

/** How long to wait before each further attempt. Times in milliseconds. */
export interface BackoffOptions {
  /** With n from 0. `exponential`: first × factor^n. `linear`: first + n × step. `decorrelated`: by chance between `first`
   *  and three times the last delay. Default `'exponential'`. Source: AWS, Exponential Backoff and Jitter. */
  strategy?: 'exponential' | 'linear' | 'decorrelated' | undefined;
  /** Default 250. */
  first?: number | undefined;
  /** No delay is longer. Default 30 000. */
  longest?: number | undefined;
  /** Of `exponential`, 1 to 100. Default 2. */
  factor?: number | undefined;
  /** Of `linear`. Default as `first`. */
  step?: number | undefined;
  /** The share of each delay that is by chance, 0 to 1; at 0.5 it is half fixed. Not of `decorrelated`, where all is.
   *  Default 0.5 for `exponential`, 0 for `linear`. */
  jitter?: number | undefined;
  /** The first attempt after a failure or a loss is made at once, and the delays begin with the next. Default true.
   *  Source: Gun. */
  immediate?: boolean | undefined;
  /** How long a connection must have been up for its loss to count as the first failure, with all retries and the first
   *  delay again. 0: each that was up, so a server that accepts and closes is asked for ever. Default 5 000. */
  stableAfter?: number | undefined;
}
