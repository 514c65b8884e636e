// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/text.h"
#include "edgesmith/zoo/summary.h"

namespace edgesmith::zoo {
namespace {

std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}
std::string field(const std::optional<double>& value) { return value ? shortest(*value) : ""; }
std::string field(const std::optional<int64_t>& value) { return value ? std::to_string(*value) : ""; }

}  // namespace

std::string summary_csv(const Summary& summary) {
  std::string text =
      "name,model,status,exit_code,metric,before,after,drop,agreement,bytes_before,bytes_after,macs_before,macs_after,"
      "peak_activation_bytes_before,peak_activation_bytes_after,seconds,peak_rss_bytes,reason\n";
  for (const Row& row : summary.rows) {
    const std::string fields[] = {field(row.name),
                                  field(row.model),
                                  std::string(status_name(row.status)),
                                  std::to_string(row.exit_code),
                                  field(row.metric),
                                  field(row.value.before),
                                  field(row.value.after),
                                  field(row.drop),
                                  field(row.agreement),
                                  field(row.bytes.before),
                                  field(row.bytes.after),
                                  field(row.macs.before),
                                  field(row.macs.after),
                                  field(row.peak_activation_bytes.before),
                                  field(row.peak_activation_bytes.after),
                                  shortest(row.seconds),
                                  std::to_string(row.peak_rss_bytes),
                                  field(row.reason)};
    text += join(fields, ",") + "\n";
  }
  return text;
}

}  // namespace edgesmith::zoo
