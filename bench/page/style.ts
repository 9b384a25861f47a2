// style — how the page looks: light or dark as the reader's system is, on paper as well.
// Put into the page by page.ts. No font, image or script is fetched: the page is one file.

export const STYLE: string = `
:root {
  color-scheme: light dark;
  --ground: #fff; --panel: #f6f7f9; --ink: #1a1d21; --soft: #5d6570; --line: #dfe3e8;
  --ours: #0b7a75; --base: #d0812c; --other: #a3adb8; --good: #14773c; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171a; --panel: #1c2024; --ink: #e6e8ea; --soft: #9aa3ad; --line: #31373d;
    --ours: #35b8ae; --base: #e09a4f; --other: #6c7782; --good: #58c482; --bad: #ff8a80;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 24px 20px 64px; max-width: 1080px; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%;
}
h1 { font-size: 26px; line-height: 1.2; margin: 8px 0 4px; }
h2 { font-size: 19px; line-height: 1.3; margin: 0 0 2px; }
a { color: inherit; }
code { font: 13px ui-monospace, 'SF Mono', Menlo, Consolas, 'Liberation Mono', monospace; overflow-wrap: anywhere; }
.soft, figcaption span, .about dt, .notes { color: var(--soft); }
.about { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 16px 0; font-size: 14px; }
.about dd { margin: 0; overflow-wrap: anywhere; }
.sum { font-size: 17px; margin: 20px 0 8px; }
.keys { display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 0; list-style: none; font-size: 13px; }
.keys i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px; }
li i.ours { background: var(--ours); } li i.base { background: var(--base); } li i.other { background: var(--other); }
figcaption .key { display: inline-block; margin-left: 14px; color: var(--ink); }
.key i { display: inline-block; width: 18px; height: 0; margin-right: 6px; vertical-align: middle; border-top: 3px solid; }
.key i.ours { border-color: var(--ours); } .key i.base { border-color: var(--base); } .key i.raw { border-top-style: dashed; }
section { margin: 28px 0 0; padding: 18px 0 0; border-top: 1px solid var(--line); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 12px 40px; }
figure { margin: 12px 0 0; min-width: 0; }
figcaption { font-size: 13px; margin-bottom: 6px; }
.plot { display: block; overflow: visible; }
.plot text { font-size: 12.5px; fill: var(--ink); }
.plot .tick { font-size: 11px; fill: var(--soft); }
.plot .label.ours { font-weight: 600; }
.plot .value { fill: var(--ink); }
.plot .grid { stroke: var(--line); stroke-width: 1; }
.plot rect.ours, .plot .mark.ours { fill: var(--ours); }
.plot rect.base, .plot .mark.base { fill: var(--base); }
.plot rect.other, .plot .mark.other { fill: var(--other); }
.plot .range { stroke-width: 3; opacity: .45; }
.plot .range.ours, .plot path.ours { stroke: var(--ours); }
.plot .range.base, .plot path.base { stroke: var(--base); }
.plot .range.other, .plot path.other { stroke: var(--other); }
.plot .mark { stroke: var(--ground); stroke-width: 1; }
.plot path { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
.plot path.raw { stroke-dasharray: 5 4; }
.plot .whisker { stroke: var(--ink); stroke-width: 1.5; }
.plot .round { fill: var(--ink); fill-opacity: .4; }
.plot .break { stroke: var(--ground); stroke-width: 3; }
details { margin-top: 10px; font-size: 13px; }
summary { cursor: pointer; color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; margin-top: 6px; }
th, td { padding: 4px 0 4px 18px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.verdicts { width: 100%; }
.verdicts th, .verdicts td { text-align: left; white-space: normal; padding: 4px 14px 4px 0; vertical-align: top; }
.verdicts td:first-child { white-space: nowrap; }
.met { color: var(--good); font-weight: 600; } .missed, .failed { color: var(--bad); font-weight: 600; }
.notes { font-size: 13px; margin: 8px 0 0; padding-left: 18px; }
footer { margin-top: 40px; font-size: 13px; color: var(--soft); }
@media (max-width: 480px) {
  body { padding: 12px 14px 48px; }
  .plot text { font-size: 11px; } .plot .tick { font-size: 10px; }
  .verdicts tr { display: block; padding: 6px 0; border-bottom: 1px solid var(--line); }
  .verdicts td { display: block; border: 0; padding: 0; } .verdicts th { display: none; }
  .about { grid-template-columns: 1fr; } .about dd { margin-bottom: 6px; }
}
@media print { details > * { display: block; } section { break-inside: avoid; } }
`;
