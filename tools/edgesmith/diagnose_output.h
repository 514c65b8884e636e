// SPDX-License-Identifier: Apache-2.0
// A diagnosis as JSON and as text.
#pragma once

#include <optional>
#include <string>

#include "cli.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/refine/diagnose.h"

namespace edgesmith::cli {

/// Everything that `diagnose` has to say.
struct DiagnoseResult {
  std::string original_path, other_path, data_path;
  std::string command;  ///< how the float model is compressed again, to which advice is added; "": not known
  bool calibrates_on_data = false;  ///< its --calib is what --data named
  refine::Diagnosis diagnosis;
  std::optional<refine::AutoSkip> skip;
  double max_drop = 0;
  std::string output;
  std::optional<onnx::ExportSummary> written;
  double seconds = 0;
};

std::string diagnose_json(const DiagnoseResult& result);
/// With `all`, every node that was compressed, not only the worst.
std::string diagnose_text(const DiagnoseResult& result, bool all, bool color);
/// One sentence: what the search came to.
std::string skip_verdict(const DiagnoseResult& result);

}  // namespace edgesmith::cli
