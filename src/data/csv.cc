// SPDX-License-Identifier: Apache-2.0
#include "data/csv.h"

#include <algorithm>

namespace edgesmith::data {

std::optional<CsvRow> next_csv_row(std::string_view text, size_t& at, int64_t& line) {
  CsvRow row(1);
  bool quoted = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\n') ++line;
    if (quoted) {
      if (c != '"') {
        row.back() += c;
      } else if (at + 1 < text.size() && text[at + 1] == '"') {
        row.back() += text[++at];
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      row.emplace_back();
    } else if (c == '\n') {
      ++at;
      break;
    } else if (c != '\r') {
      row.back() += c;
    }
  }
  if (quoted) return std::nullopt;
  return row;
}

int64_t csv_column(const CsvRow& header, const std::string& name) {
  const auto found = std::find(header.begin(), header.end(), name);
  return found == header.end() ? -1 : found - header.begin();
}

}  // namespace edgesmith::data
