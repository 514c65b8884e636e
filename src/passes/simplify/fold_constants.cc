// SPDX-License-Identifier: Apache-2.0
// Evaluates nodes whose operands are all constant, and what is computed from sizes of dims that are known.
//
//   %s = add {1, 2}, {3, 4}     =>   %s = constant {4, 6}
//
// The file must not grow: a result may take at most as many bytes as the operands that only this node reads, or
// `max_constant_bytes`; or a whole part of the graph at most as many as the constants that only it reads
// (constant_regions.h). Quantized constants are left alone: folding them would turn codes into floats.
#include <algorithm>

#include "edgesmith/ops/op_info.h"
#include "passes/rewrite.h"
#include "passes/simplify/constant_regions.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

const OptionSchema& fold_constants_options() {
  // 4 KiB holds shape code and masks of a few heads, and is little beside any model's weights.
  static const OptionSchema schema = {{"max_constant_bytes", OptionKind::integer, "4096",
                                       "largest folded constant in bytes that may grow the file", 0, 1e12}};
  return schema;
}

bool is_foldable(const ir::Node& node) {
  if (node.op() <= OpKind::opaque || node.num_outputs() != 1 || !is_plain(node.output())) return false;
  if (node.num_inputs() == 0) return false;
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (node.input(i) != nullptr && plain_constant(node, i) == nullptr) return false;
  }
  return true;
}

// Bytes of the operands that die with the node.
int64_t freed_bytes(const ir::Node& node) {
  int64_t bytes = 0;
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Value* value = node.input(i);
    if (value != nullptr && value->uses().size() == 1) bytes += value->constant()->stored_bytes();
  }
  return bytes;
}

// Size of the result as far as the inferred type tells; -1 when it does not.
int64_t result_bytes(const ir::Node& node) {
  const auto dims = node.output().type().static_dims();
  if (!dims) return -1;
  const int64_t count = ir::num_elements(*dims);
  return count < 0 ? -1 : ir::packed_bytes(count, ir::dtype_bits(node.output().type().dtype));
}

Result<std::optional<ir::Tensor>> fold(const ir::Node& node, int64_t max_bytes) {
  if (!is_foldable(node)) return std::optional<ir::Tensor>();
  const int64_t limit = std::max(max_bytes, freed_bytes(node));
  if (result_bytes(node) > limit) return std::optional<ir::Tensor>();  // do not even compute it
  std::vector<ir::Tensor> storage;
  std::vector<const ir::Tensor*> inputs;
  storage.reserve(static_cast<size_t>(node.num_inputs()));
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Tensor* tensor = node.input(i) != nullptr ? node.input(i)->constant() : nullptr;
    inputs.push_back(tensor != nullptr ? &storage.emplace_back(tensor->dense()) : nullptr);
  }
  auto outputs = ops::eval_node(node, inputs);
  if (!outputs) {
    if (outputs.error().kind == ErrorKind::unsupported) return std::optional<ir::Tensor>();
    return outputs.error();
  }
  ir::Tensor& result = (*outputs)[0];
  if (result.stored_bytes() > limit) return std::optional<ir::Tensor>();
  return std::optional<ir::Tensor>(std::move(result));
}

// A node whose result may be known by the types of what it reads.
bool may_be_known(const ir::Node& node) {
  if (node.op() <= OpKind::opaque || node.num_outputs() != 1 || !is_plain(node.output())) return false;
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Value* value = node.input(i);
    if (value != nullptr && value->constant() != nullptr && plain_constant(node, i) == nullptr) return false;
  }
  return true;
}

Result<Change> run_fold_constants(ir::Graph& graph, const Options& options, PassContext&) {
  const int64_t max_bytes = options.integer("max_constant_bytes");
  auto known = ops::infer_known(graph);
  if (!known) return known.error();
  auto traced = ops::infer_traced(graph);
  if (!traced) return traced.error();
  Change change = Change::none;
  for (ir::Node& node : graph.nodes()) {
    auto result = fold(node, max_bytes);
    if (!result) return result.error();
    if (!*result && may_be_known(node)) {
      const auto id = static_cast<size_t>(node.output().id());
      auto& sizes = known->tensors[id] ? known->tensors[id] : traced->known.tensors[id];
      if (sizes && sizes->stored_bytes() <= max_bytes) *result = std::move(sizes);
    }
    if (!*result) continue;
    ir::Value& constant = graph.add_constant(std::move(**result), node.output().name(), &node);
    bypass_node(graph, node, constant);
    change = Change::changed;
  }
  auto folded = fold_regions(graph);
  if (!folded) return folded.error();
  return *folded > 0 ? Change::changed : change;
}

}  // namespace

extern const PassInfo fold_constants_pass = {"fold-constants",
                                             "evaluate nodes whose operands are all constant",
                                             fold_constants_options,
                                             run_fold_constants,
                                             false,
                                             false};

}  // namespace edgesmith::passes
