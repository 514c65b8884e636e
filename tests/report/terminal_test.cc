// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/report/terminal.h"

#include <gtest/gtest.h>

#include "report/sample_report.h"

namespace edgesmith::report {
namespace {

TEST(Table, AlignsColumnsByCharactersNotBytes) {
  Table table({Table::Align::left, Table::Align::right});
  table.head({"name", "n"});
  table.row({"größe", "1"});
  table.row({"x", "100"});
  EXPECT_EQ(table.text(false), "  name     n\n  größe    1\n  x      100\n");
  EXPECT_EQ(table.markdown(), "| name | n |\n| --- | ---: |\n| größe | 1 |\n| x | 100 |\n");
}

TEST(Table, ColoursWholeLinesOnRequestOnly) {
  Table table({Table::Align::left});
  table.row({"a"}, Style::red);
  EXPECT_EQ(table.text(false), "  a\n");
  EXPECT_EQ(table.text(true), "\033[31m  a\033[0m\n");
}

TEST(Table, NamesDoNotActOnTheTerminal) {
  Table table({Table::Align::left});
  table.row({"a\033[31m\nb"});
  EXPECT_EQ(table.text(true), "  a\\x1b[31m\\x0ab\n");
  EXPECT_EQ(paint("x\033[2J", Style::red, true), "\033[31mx\\x1b[2J\033[0m");
  EXPECT_EQ(printable_but_paint("\033[1mgood\033[0m\n\033[2Jbad\a"), "\033[1mgood\033[0m\n\\x1b[2Jbad\\x07");
}

TEST(Numbers, HaveThreeDigitsAndAUnit) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1000), "1.00 kB");
  EXPECT_EQ(bytes_text(1087980), "1.09 MB");
  EXPECT_EQ(bytes_text(999600), "1.00 MB");
  EXPECT_EQ(bytes_text(297123), "297 kB");
  EXPECT_EQ(bytes_text(12345678), "12.3 MB");
  EXPECT_EQ(count_text(40551040), "40.6 M");
  EXPECT_EQ(count_text(640), "640");
  EXPECT_EQ(seconds_text(0.0352), "35 ms");
  EXPECT_EQ(seconds_text(1.25), "1.2 s");
  EXPECT_EQ(seconds_text(200), "3 min 20 s");
}

TEST(Summary, SaysWhatWasDoneAndWhatItCost) {
  EXPECT_EQ(run_summary(sample_report(), false), R"(run nets/<a&b>.onnx
  step            status          top1   bytes    size   time
  simplify        accepted     90.00 %  990 kB  99.0 %  0.2 s
  fold-constants  rolled_back  89.00 %  280 kB  28.0 %   0 ms
    fold-constants: a note

  step            target         arithmetic     top1  change (95 %)
  fold-constants  ort-<arm>      exact-i32   89.00 %  -1.00 (-1.20 to -0.80)
  fold-constants  cmsis-nn-l4r5  tflite      88.50 %  -1.50 (-1.80 to -1.20)

  top1          90.00 %  ->   90.00 %  +0.00 (95 %: +0.00 to +0.00, 10,000 samples)
  same answers               100.00 %
  file          1.00 MB  ->    990 kB  99.0 % of the bytes
  activations   64.0 kB  ->   64.0 kB  at the peak, for one sample

  fold-constants was rolled back: top1 drops by 1.00 points against the original, the budget is 0.50 points
  output    out.onnx
  time      12.5 s
)");
}

}  // namespace
}  // namespace edgesmith::report
