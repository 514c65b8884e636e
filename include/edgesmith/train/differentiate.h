// SPDX-License-Identifier: Apache-2.0
// Gradients as graph rewriting (reverse-mode differentiation; Speelpenning, "Compiling fast partial derivatives of
// functions given by algorithms", 1980). The backward graph is ordinary IR in the same graph: it prints, verifies, is
// simplified and runs like any other. docs/gradients.md shows how operators take part.
#pragma once

#include <span>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::train {

/// Appends the nodes that compute the gradient of `loss`, a float value of one element, with respect to each of
/// `with_respect_to` (any float values: inputs, constants, computed ones), and returns the gradients in that order. A
/// gradient has the type of its value, free dims included; it is null where the loss does not depend on the value.
///
/// Results and constants of the graph stay as they are. Types are inferred before and after. No gradient flows through
/// integers, booleans or shape code. Quantization annotations let gradients pass unchanged (straight through).
///
/// Errors: invalid (a loss of several elements, a value that does not hold floats, a graph whose types contradict each
/// other); unsupported, naming the node and the operator, when a node between a value and the loss has no gradient. The
/// graph is then as it was, but for inferred types.
Result<std::vector<ir::Value*>> differentiate(ir::Graph& graph, ir::Value& loss,
                                              std::span<ir::Value* const> with_respect_to);

}  // namespace edgesmith::train
