// SPDX-License-Identifier: Apache-2.0
// Text for people: aligned tables, numbers with units, the summary of a run.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/base/text.h"
#include "edgesmith/refine/run_report.h"

namespace edgesmith::report {

/// Colours of the terminal; `plain` writes none.
enum class Style { plain, bold, dim, red, green, yellow, cyan };

/// `text` in `style` when `color` is on, with what else would act on the terminal written out.
std::string paint(std::string_view text, Style style, bool color);
/// `text` with everything that acts on a terminal written out, but for lines and what paint() adds: the last step
/// before a text is shown.
std::string printable_but_paint(std::string_view text);

/// Columns of text, each as wide as its widest cell. Widths count characters of UTF-8, not bytes.
class Table {
 public:
  enum class Align { left, right };

  explicit Table(std::vector<Align> columns) : columns_(std::move(columns)) {}
  /// Heads are shown dim, above the rows.
  void head(std::vector<std::string> cells) { head_ = std::move(cells); }
  void row(std::vector<std::string> cells, Style style = Style::plain);
  /// Lines with `indent` spaces in front and two spaces between columns, each ending in a newline.
  std::string text(bool color, int indent = 2) const;
  /// The same as a Markdown table.
  std::string markdown() const;

 private:
  std::vector<Align> columns_;
  std::vector<std::string> head_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<Style> styles_;
};

using edgesmith::bytes_text;
using edgesmith::count_text;
/// "1.2 s", "3 min 20 s", "35 ms".
std::string seconds_text(double seconds);

/// What a run did: model, steps with their status, accuracy and bytes before and after, where the files are.
std::string run_summary(const refine::RunReport& report, bool color);

}  // namespace edgesmith::report
