// SPDX-License-Identifier: Apache-2.0
// Comma-separated text, row by row; fields may be quoted (RFC 4180).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace edgesmith::data {

using CsvRow = std::vector<std::string>;

/// The fields of the row that starts at `at`, which moves behind it; `line` counts the lines gone by. nullopt: a quote
/// does not end.
std::optional<CsvRow> next_csv_row(std::string_view text, size_t& at, int64_t& line);

/// Index of the column called `name`, or -1.
int64_t csv_column(const CsvRow& header, const std::string& name);

}  // namespace edgesmith::data
