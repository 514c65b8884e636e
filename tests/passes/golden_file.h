// SPDX-License-Identifier: Apache-2.0
// Golden files of passes: cases of graph text before and after.
//
//   # Conv followed by BatchNorm becomes one Conv.
//   # RUN: fuse-batch-normalization, eliminate-dead-nodes
//   graph @case(...) ...
//   # ---
//   graph @case(...) ...
//   # -----
//   # The next case ...
//
// `# TOLERANCE: 1e-2` widens the comparison of results, `# ERROR: text` expects the passes to fail with that text.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace edgesmith::testing {

struct GoldenCase {
  std::vector<std::string> comments;                        ///< the lines above the graph, with their '#'
  std::vector<std::pair<std::string, std::string>> passes;  ///< name and "key=value key=value"
  double tolerance = 1e-5;
  std::string error;
  std::string before, after;
};

std::vector<GoldenCase> read_golden_file(const std::string& path);
void write_golden_file(const std::string& path, const std::vector<GoldenCase>& cases);

}  // namespace edgesmith::testing
