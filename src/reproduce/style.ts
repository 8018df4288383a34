/** The report's style sheet: one readable column, numbers that line up, verdicts shown by word and colour. */
export const REPORT_STYLE = `
body { font: 16px/1.55 system-ui, sans-serif; color: #1c1c1c; background: #fff; margin: 0; }
main { max-width: 860px; margin: 0 auto; padding: 2rem 1rem 6rem; }
h1 { font-size: 1.9rem; line-height: 1.2; } section > h1 { font-size: 1.6rem; }
.lead { font-size: 1.08rem; background: #f5f2ea; border-left: 4px solid #d55e00; padding: 0.9rem 1.1rem; }
section { border-top: 1px solid #ccc; margin-top: 3rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.7rem; text-align: left; vertical-align: top; border-bottom: 1px solid #e3e3e3; }
th { border-bottom: 2px solid #888; }
th[align="right"], td[align="right"] { text-align: right; }
caption { padding: 0.2rem 0; }
.summary { width: 100%; } .summary tr:has(+ .remark) > td { border-bottom: none; }
.remark { color: #555; font-size: 0.88rem; } .remark > td { padding-top: 0; }
.verdict { font-weight: 600; white-space: nowrap; }
.holds { color: #00704f; } .fails { color: #b03a00; } .assumption-violated { color: #b03a00; }
.undecided { color: #7a5c00; } .analogue { color: #00578a; }
pre { background: #f6f6f6; padding: 0.7rem; overflow-x: auto; font-size: 0.85rem; line-height: 1.4; }
pre.error { background: #fdeee6; }
details.code > summary { color: #777; font-size: 0.8rem; cursor: pointer; }
.output { overflow-x: auto; }
.output img { max-width: 100%; height: auto; }
math[display="block"] { margin: 0.8rem 0; }
progress { accent-color: #0072b2; }
`;
