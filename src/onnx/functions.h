// SPDX-License-Identifier: Apache-2.0
// Functions that a model defines.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "onnx/proto.h"

namespace edgesmith::onnx {

/// The function of the model that `node` calls, or null.
const FunctionView* find_function(const ModelView& model, const NodeView& node);

/// "domain::name", or "domain::name:overload", of the functions that these nodes call, directly, from their subgraphs
/// or from other functions.
std::set<std::string> called_functions(const std::vector<FunctionView>& functions, const std::vector<NodeView>& nodes);

/// The encoded fields of a model without the functions that are in `called`, but not in `still_called`: those whose
/// calls were all inlined or removed. Others stay, also those that nothing ever called.
std::string without_dropped_functions(const std::string& model_extra, const std::set<std::string>& called,
                                      const std::vector<NodeView>& nodes);

}  // namespace edgesmith::onnx
