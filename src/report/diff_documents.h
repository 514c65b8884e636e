// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "edgesmith/report/diff.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::report {

/// Compares two runs, given as the text of their reports, or as rows of a zoo's summary, which are shaped alike; the
/// paths are for messages. Errors: those of diff_reports().
Result<ReportDiff> diff_documents(const std::string& old_path, std::string_view before, const std::string& new_path,
                                  std::string_view after, const DiffLimits& limits);

/// The report in a folder that --report or `run -o` wrote; another path as it is.
std::string report_path(const std::string& path);

/// The figures of one part.
Table part_table(const DiffPart& part);

/// What is allowed, and whether it is within it: "ok (limit 0.5)"; "" without a limit.
std::string verdict_text(const FigureChange& figure);

}  // namespace edgesmith::report
