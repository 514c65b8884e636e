// SPDX-License-Identifier: Apache-2.0
// The cases of ONNX's own conformance suite (Debian: libonnx-testdata) and what becomes of one of them here.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::onnx {

struct ConformanceCase {
  std::string name;    ///< "node/test_relu"
  std::string folder;  ///< with model.onnx and test_data_set_*
};

/// All cases in order of name; empty when the package is absent.
std::vector<ConformanceCase> conformance_cases();

enum class Outcome { pass, unsupported, wrong, crash };
const char* outcome_name(Outcome outcome);

struct CaseResult {
  Outcome outcome = Outcome::crash;
  std::string op;      ///< the operator that the case is about
  std::string reason;  ///< why it does not pass
};

/// A variation of the graph before it runs (an export and import, say).
using Variation = Result<ir::Graph> (*)(ir::Graph graph, const std::string& folder);

/// Imports and runs a case in a process of its own, so that a crash is an outcome too. Floats are compared with ONNX's
/// tolerances (relative 1e-3, halves two units in the last place, absolute 1e-7 of the largest number if that is above
/// 1), everything else exactly.
CaseResult run_case(const ConformanceCase& test_case, Variation variation = nullptr);

}  // namespace edgesmith::onnx
