// SPDX-License-Identifier: Apache-2.0
// The style sheet of the HTML report. Colours are variables, so that dark mode is one block.
#include "report/html_parts.h"

namespace edgesmith::report {

const char* const kStyleSheet = R"css(
:root{--bg:#f7f8fa;--card:#fff;--ink:#1b2330;--dim:#667085;--line:#e3e7ee;--accent:#2563eb;--good:#15803d;--good-bg:#dcfce7;
--bad:#b91c1c;--bad-bg:#fee2e2;--warn:#a16207;--warn-bg:#fef3c7;--bar:#60a5fa;--bar2:#c4b5fd}
@media (prefers-color-scheme:dark){:root{--bg:#0f141b;--card:#171e28;--ink:#e6eaf0;--dim:#94a0b3;--line:#2a3442;--accent:#60a5fa;
--good:#4ade80;--good-bg:#123322;--bad:#f87171;--bad-bg:#3b1518;--warn:#fbbf24;--warn-bg:#3a2c0b;--bar:#3b82f6;--bar2:#8b7bd8}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 20px 64px}
header{margin-bottom:20px}
h1{font-size:26px;line-height:1.2;margin:2px 0 8px;overflow-wrap:anywhere}
h2{font-size:17px;margin:0 0 4px}
.eyebrow{color:var(--dim);font-size:13px;letter-spacing:.02em}
.verdict{display:inline-block;border-radius:8px;padding:6px 12px;font-weight:600}
.good{color:var(--good);background:var(--good-bg)}.bad{color:var(--bad);background:var(--bad-bg)}
.warn{color:var(--warn);background:var(--warn-bg)}.plain{color:var(--dim);background:var(--line)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:14px;margin:18px 0}
.card,section{background:var(--card);border:1px solid var(--line);border-radius:12px}
.card{padding:14px 16px}
section{padding:18px 20px;margin:16px 0}
.card .name{color:var(--dim);font-size:13px}
.card .value{font-size:25px;font-weight:650;line-height:1.25;font-variant-numeric:tabular-nums}
.card .from{color:var(--dim);font-size:14px;font-variant-numeric:tabular-nums}
.card .note{color:var(--dim);font-size:13px}
.up{color:var(--good)}.down{color:var(--bad)}
.meter{height:6px;border-radius:3px;background:var(--line);margin:6px 0;overflow:hidden}
.meter i{display:block;height:100%;background:var(--accent)}
p.about{color:var(--dim);margin:0 0 12px;font-size:14px}
.scroll{overflow-x:auto}
.tall{max-height:640px;overflow:auto}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th{color:var(--dim);font-weight:500;text-align:left;white-space:nowrap}
th,td{padding:7px 14px 7px 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}
.num{text-align:right;white-space:nowrap}
.badge{border-radius:999px;padding:1px 9px;font-size:12.5px;font-weight:600;white-space:nowrap}
code,pre{font:13px/1.5 ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}
code{overflow-wrap:anywhere}
td code{display:inline-block;min-width:11em}
.notes{position:sticky;left:0;max-width:min(1000px,calc(100vw - 84px))}
pre{margin:8px 0 0;padding:12px 14px;background:var(--bg);border-radius:8px;overflow-x:auto}
ul{margin:6px 0 0;padding-left:20px}
details{margin-top:10px}summary{cursor:pointer;color:var(--dim)}
svg{display:block;width:100%;min-width:620px;height:auto}
svg text{fill:var(--ink);font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
svg .dim{fill:var(--dim)}
svg .grid{stroke:var(--line);stroke-width:1}
svg .path{stroke:var(--accent);stroke-width:1.5;fill:none;stroke-dasharray:4 4}
svg .curve{stroke:var(--accent);stroke-width:1.8;fill:none}svg .curve2{stroke:var(--bad);stroke-width:1.8;fill:none}
svg .error{stroke:var(--accent);stroke-width:1.5;opacity:.55}
svg .dot{fill:var(--accent)}svg .dot-first{fill:var(--dim)}svg .dot-bad{fill:var(--bad)}
svg .bar{fill:var(--bar)}svg .unchosen{fill:none;stroke:var(--bar)}svg .bar-weak{fill:var(--bad)}svg .bar-fair{fill:var(--warn)}
svg .range,svg .area{fill:var(--bar2)}
svg .entry{stroke:var(--accent);stroke-width:1;opacity:.7}
footer{color:var(--dim);font-size:13px;margin-top:24px}
@media print{body{background:#fff}section,.card{break-inside:avoid}.tall{max-height:none}}
)css";

}  // namespace edgesmith::report
