// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/report/terminal.h"
#include "edgesmith/zoo/summary.h"
#include "report/html_parts.h"

namespace edgesmith::zoo {
namespace {

using report::Style, report::Table;
using Align = Table::Align;

std::string words_of(RowStatus status) {
  return status == RowStatus::gate_failed ? "gate failed" : std::string(status_name(status));
}

Style style_of(RowStatus status) {
  return status == RowStatus::done ? Style::plain : status == RowStatus::gate_failed ? Style::yellow : Style::red;
}

Table table_of(const Summary& summary) {
  Table table({Align::left, Align::left, Align::left, Align::right, Align::right, Align::right, Align::right,
               Align::right, Align::right, Align::right});
  table.head({"model", "status", "metric", "before", "after", "change", "bytes", "after", "size", "time"});
  for (const Row& row : summary.rows) {
    const auto value = [&](const std::optional<double>& v) { return v ? value_text(row, *v) : std::string("-"); };
    const auto bytes = [](const std::optional<int64_t>& b) { return b ? report::bytes_text(*b) : std::string("-"); };
    std::string share;
    if (row.bytes.before && row.bytes.after && *row.bytes.before > 0) {
      share = report::number_text(
          "%.1f %%", 100.0 * static_cast<double>(*row.bytes.after) / static_cast<double>(*row.bytes.before));
    }
    table.row({row.name, words_of(row.status), row.metric, value(row.value.before), value(row.value.after),
               change_text(row), bytes(row.bytes.before), bytes(row.bytes.after), share,
               row.status == RowStatus::missing ? "" : report::seconds_text(row.seconds)},
              style_of(row.status));
  }
  return table;
}

/// One line for each of the rows that `wanted` takes.
std::string list_of(const Summary& summary, const std::string& head, Style style, bool color,
                    bool (*wanted)(RowStatus)) {
  std::string lines;
  int count = 0;
  for (const Row& row : summary.rows) {
    if (!wanted(row.status)) continue;
    ++count;
    lines += "  " + row.name + ": " + row.reason + "\n";
  }
  return count == 0 ? "" : report::paint(std::to_string(count) + " " + head, style, color) + "\n" + lines;
}

}  // namespace

std::string summary_text(const Summary& summary, bool color) {
  return table_of(summary).text(color) +
         list_of(summary, "refused by the gate:", Style::yellow, color,
                 [](RowStatus status) { return status == RowStatus::gate_failed; }) +
         list_of(summary, "not done:", Style::red, color,
                 [](RowStatus status) { return status != RowStatus::gate_failed && status != RowStatus::done; });
}

}  // namespace edgesmith::zoo
