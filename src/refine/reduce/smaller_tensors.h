// SPDX-License-Identifier: Apache-2.0
// Smaller dims and other numbers for the tensors of a model.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::refine {

/// The different dims above 1 of inputs and constants, largest first.
std::vector<int64_t> dims_of(const ir::Graph& graph);

/// A copy in which every dim of `from` in inputs and constants is `to` (the leading part is kept), as are integers that
/// name such a dim or a multiple of it (targets of Reshape, groups). Types are inferred anew. Nothing where they do not
/// fit.
std::optional<ir::Graph> with_dim(const ir::Graph& graph, int64_t from, int64_t to);

/// A tensor of the same type with numbers from `make`; nothing where the type is no float and no code of 8 bits.
std::optional<ir::Tensor> refilled(const ir::Tensor& tensor, const std::function<double()>& make);

/// A copy in which constant `id` has another tensor of the same type.
ir::Graph with_tensor(const ir::Graph& graph, int id, const ir::Tensor& tensor);

}  // namespace edgesmith::refine
