// SPDX-License-Identifier: Apache-2.0
// The rules of check_target, one source a family.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "edgesmith/refine/target_check.h"

namespace edgesmith::refine {

/// Collects findings; the shorthand of every rule.
struct Findings {
  TargetCheck& check;

  void refuse(const ir::Node* node, std::string rule, std::string value, std::string limit, std::string fix);
  void hint(const ir::Node* node, std::string rule, std::string value, std::string limit, std::string fix);
};

/// opset, batch, free-dims, rank.
void check_shapes(const ir::Graph& graph, const targets::Target& target, Findings& findings);
/// operator, kernel, stride, dilation, concat-inputs, group, bias; hints about channels.
void check_node(const ir::Node& node, const targets::Target& target, Findings& findings);
/// quantized, float-value, and how codes must look.
void check_codes(const ir::Graph& graph, const targets::Target& target, Findings& findings);
/// saturation.
void check_pair_sums(const ir::Graph& graph, const targets::Target& target, Findings& findings);
/// ram, flash.
void check_memory(const ir::Graph& graph, const targets::Target& target, Findings& findings);

/// The weight of a layer when it is stored as (or annotated with) 8-bit codes, else null.
const ir::Value* coded_weight(const ir::Node& node);
/// The codes of such a weight, row-major.
std::vector<int32_t> weight_codes_of(const ir::Value& weight);
/// Its quantization.
const ir::Quant& weight_quant_of(const ir::Value& weight);

}  // namespace edgesmith::refine
