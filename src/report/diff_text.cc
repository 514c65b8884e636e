// SPDX-License-Identifier: Apache-2.0
// A comparison of two runs for a terminal, for a pull request and for CI.
#include "edgesmith/report/diff.h"
#include "edgesmith/report/terminal.h"
#include "report/diff_documents.h"
#include "report/html_parts.h"

namespace edgesmith::report {
namespace {

using Align = Table::Align;

std::string conclusion(const ReportDiff& diff) {
  bool judged = false;
  for (const DiffPart& part : diff.parts) {
    for (const FigureChange& figure : part.figures) judged = judged || figure.limit.has_value();
  }
  if (diff.regressions > 0) return std::to_string(diff.regressions) + " beyond the limits";
  return judged ? "within the limits" : "no limit was given: shown, not judged";
}

}  // namespace

Table part_table(const DiffPart& part) {
  Table table({Align::left, Align::right, Align::right, Align::right, Align::left});
  table.head({part.name, "old", "new", "change", ""});
  for (const FigureChange& figure : part.figures) {
    table.row({figure.name, figure.before, figure.after, figure.change, verdict_text(figure)},
              figure.regression ? Style::red : Style::plain);
  }
  return table;
}

std::string verdict_text(const FigureChange& figure) {
  if (!figure.limit) return "";
  const std::string limit = "limit " + number_text("%g", *figure.limit);
  if (!figure.regression) return "ok (" + limit + ")";
  return figure.new_value ? "worse than allowed (" + limit + ")" : "missing";
}

std::string diff_text(const ReportDiff& diff, bool color) {
  std::string text = paint(diff.model, Style::bold, color) + "\n";
  for (const DiffPart& part : diff.parts) text += part_table(part).text(color);
  for (const std::string& note : diff.notes) text += "  " + note + "\n";
  return text + "  " + paint(conclusion(diff), diff.regressions > 0 ? Style::red : Style::plain, color);
}

std::string diff_markdown(const ReportDiff& diff) {
  std::string text = "### " + diff.model + ": " + conclusion(diff) + "\n";
  for (const DiffPart& part : diff.parts) text += "\n" + part_table(part).markdown();
  if (!diff.notes.empty()) text += "\n";
  for (const std::string& note : diff.notes) text += "- " + note + "\n";
  return text;
}

std::string diff_junit(const ReportDiff& diff) {
  std::string cases;
  int count = 0;
  for (const DiffPart& part : diff.parts) {
    for (const FigureChange& figure : part.figures) {
      if (!figure.limit) continue;
      ++count;
      cases += "    <testcase classname=\"" + escape_html(diff.model) + "\" name=\"" + escape_html(figure.name) + "\"";
      if (figure.regression) {
        cases += ">\n      <failure message=\"" +
                 escape_html(figure.before + " -> " + figure.after + ": " + verdict_text(figure)) +
                 "\"/>\n    </testcase>\n";
      } else {
        cases += "/>\n";
      }
    }
  }
  const std::string counts =
      "tests=\"" + std::to_string(count) + "\" failures=\"" + std::to_string(diff.regressions) + "\"";
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites " + counts +
         ">\n  <testsuite name=\"edgesmith report diff\" " + counts + ">\n" + cases + "  </testsuite>\n</testsuites>\n";
}

}  // namespace edgesmith::report
