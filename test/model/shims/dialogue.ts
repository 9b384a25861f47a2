// dialogue — in place of workers/dialogue.ts, which has a loop turn while time passes: here it passes by hand.
// Put there by ../loader.ts.

export class Dialogue {
  heard(): void {}
}
