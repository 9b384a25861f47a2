// intake — what has come on all links of a round: messages, bytes, sizes.
// Filled by the links; cleared and read by probe.ts.

import { Sizes } from './sizes.ts';

export class Intake {
  messages = 0;
  bytes = 0;
  readonly sizes: Sizes = new Sizes();

  take(size: number): void {
    this.messages++;
    this.bytes += size;
    this.sizes.add(size);
  }

  clear(): void {
    this.messages = 0;
    this.bytes = 0;
    this.sizes.clear();
  }
}
