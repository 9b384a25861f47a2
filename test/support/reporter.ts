// reporter — what a test run prints: a tree of sentences, failures in full, and one last line.
// Loaded by mocha (.mocharc.json), which asks for a default export.
// Invariant: the last line, alone on a line, is "N passed, N failed" or "N passed, N failed, N skipped".

import Mocha from 'mocha';

const Base: typeof Mocha.reporters.Base = Mocha.reporters.Base;
const {
  EVENT_RUN_END,
  EVENT_SUITE_BEGIN,
  EVENT_SUITE_END,
  EVENT_TEST_FAIL,
  EVENT_TEST_PASS,
  EVENT_TEST_PENDING,
} = Mocha.Runner.constants;

export default class Reporter extends Base {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    let depth = 0;
    const line = (text: string): void => print('  '.repeat(depth) + text);

    runner.on(EVENT_SUITE_BEGIN, (suite) => {
      if (suite.root) return;
      if (depth === 0) print('');
      line(suite.title);
      depth++;
    });
    runner.on(EVENT_SUITE_END, (suite) => {
      if (!suite.root) depth--;
    });
    runner.on(EVENT_TEST_PASS, (test) => {
      const time = test.speed === 'fast' ? '' : Base.color('medium', ` (${test.duration} ms)`);
      line(`${Base.color('checkmark', Base.symbols.ok)} ${Base.color('pass', test.title)}${time}`);
    });
    runner.on(EVENT_TEST_PENDING, (test) => line(Base.color('pending', `- ${test.title}`)));
    // Numbered as in the list at the end.
    runner.on(EVENT_TEST_FAIL, (test) => line(Base.color('fail', `${this.failures.length}) ${test.title}`)));
    runner.once(EVENT_RUN_END, () => this.#summary());
  }

  #summary(): void {
    const { passes, failures, pending } = this.stats;
    if (this.failures.length > 0) Base.list(this.failures);
    print('');
    print(`${passes} passed, ${failures} failed${pending > 0 ? `, ${pending} skipped` : ''}`);
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
