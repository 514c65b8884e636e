// SPDX-License-Identifier: Apache-2.0
// The results of a zoo run as one table: for a terminal, as JSON, as CSV and as one HTML page.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/base/result.h"

namespace edgesmith::zoo {

enum class RowStatus {
  done,         ///< within its gate, or there was none
  gate_failed,  ///< the gate said no (exit code 1)
  failed,       ///< an error (exit codes 2 and above)
  killed,       ///< a signal ended its process
  missing       ///< not run yet, or not to its end
};
/// "done", "gate_failed", ...
std::string_view status_name(RowStatus status);

/// Before and after.
template <typename T>
struct Pair {
  std::optional<T> before, after;
};

/// One model. What was not measured is absent.
struct Row {
  std::string name, model;  ///< its folder's name, the path of the file
  RowStatus status = RowStatus::missing;
  int exit_code = 0;
  std::string reason;  ///< what the gate said, or the error; one line
  std::string metric, unit;
  Pair<double> value;
  std::optional<double> drop;  ///< paired, positive is worse
  std::optional<double> agreement;
  Pair<int64_t> bytes, macs, peak_activation_bytes;
  double seconds = 0;
  int64_t peak_rss_bytes = 0;
  std::string json;  ///< the row of summary.json
};

struct Summary {
  std::string folder, manifest, manifest_sha256;
  std::vector<Row> rows;
  /// 0; 1 when a gate said no; else that of the first row that failed, 5 when rows are missing.
  int exit_code = 0;
};

/// Reads the results of `folder`; with `only`, of these models. Errors: io, usage (holds no results).
Result<Summary> collect(const std::string& folder, const std::vector<std::string>& only = {});

/// Writes summary.json, summary.csv and index.html into the folder. Errors: io.
Status write_summary(const Summary& summary);

/// A table, then the list of what the gate refused and of what failed.
std::string summary_text(const Summary& summary, bool color);
/// Schema edgesmith.zoo/1.
std::string summary_json(const Summary& summary);
/// RFC 4180, with a head; what is absent is empty.
std::string summary_csv(const Summary& summary);
/// Accuracy against bytes over all models, and the table; links lead to the reports beside it.
std::string summary_html(const Summary& summary);

/// "89.40 %", "0.0123": a metric in its unit.
std::string value_text(const Row& row, double value);
/// "-0.12" from before to after; "" where one of them is absent.
std::string change_text(const Row& row);

}  // namespace edgesmith::zoo
