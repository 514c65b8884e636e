// SPDX-License-Identifier: Apache-2.0
// The part of a graph that makes some of its values.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "passes/quantize/stream.h"

namespace edgesmith::passes::prune {

/// A graph cut down to what makes some of its values, which are its results.
class Prefix {
 public:
  /// `ids` of values of `whole`; its inputs may be among them.
  Prefix(const ir::Graph& whole, const std::set<int>& ids);
  /// Errors: unsupported.
  Status create(int num_threads);
  /// Errors: those of the run.
  Result<std::vector<ir::Tensor>> run(const quantize::Stream::Batch& batch);
  /// One of the values, from what `run` returned for the batch.
  ir::Tensor value(int id, const std::vector<ir::Tensor>& results, const quantize::Stream::Batch& batch) const;

 private:
  ir::Graph graph_;
  std::vector<int> result_, input_;  ///< by value id: index among the results or graph inputs, or -1
  bool runs_ = false;
  std::optional<quantize::Runner> runner_;
};

}  // namespace edgesmith::passes::prune
