// SPDX-License-Identifier: Apache-2.0
// einsum: products of operands summed over the labels that the attribute `equation` drops, such as "bij,bjk->bik";
// without "->" the labels that occur once, in alphabetical order. "..." stands for dims that broadcast; a label may
// occur twice in an operand (a diagonal). f32, f64 (sums in f64), i32, i64; f16 and bf16 through f32.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "ops/broadcast.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/integer_math.h"

namespace edgesmith::ops::einsum_op {
namespace {

// Labels: letters as themselves; the dims of "...", which are counted from the last one, below zero.
struct Equation {
  std::vector<std::vector<int>> operands;
  std::vector<int> result;
  bool explicit_result = false;
};

// A term with "..." standing for `ellipsis` dims.
Result<std::vector<int>> read_term(const std::string& term, int ellipsis) {
  std::vector<int> labels;
  for (size_t i = 0; i < term.size(); ++i) {
    if (term.compare(i, 3, "...") == 0) {
      for (int d = ellipsis; d > 0; --d) labels.push_back(-d);
      i += 2;
    } else if ((term[i] >= 'a' && term[i] <= 'z') || (term[i] >= 'A' && term[i] <= 'Z')) {
      labels.push_back(term[i]);
    } else {
      return invalid_error("equation has the term '" + term + "'");
    }
  }
  return labels;
}

bool has_ellipsis(const std::string& term) { return term.find("...") != std::string::npos; }

// `ranks`: of the operands.
Result<Equation> read_equation(const ir::Node& node, const std::vector<int>& ranks) {
  std::string text = node.attributes().get_string("equation", "");
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  Equation equation;
  const size_t arrow = text.find("->");
  equation.explicit_result = arrow != std::string::npos;
  std::string left = text.substr(0, arrow);
  std::vector<std::string> terms(1);
  for (const char c : left) {
    if (c == ',') {
      terms.emplace_back();
    } else {
      terms.back() += c;
    }
  }
  if (terms.size() != ranks.size()) {
    return invalid_error("equation '" + text + "' has " + std::to_string(terms.size()) + " terms for " +
                         std::to_string(ranks.size()) + " operands");
  }
  int widest = 0;  // dims of the longest ellipsis
  for (size_t i = 0; i < terms.size(); ++i) {
    int ellipsis = 0;
    if (has_ellipsis(terms[i])) ellipsis = ranks[i] - static_cast<int>(terms[i].size() - 3);
    auto labels = read_term(terms[i], std::max(0, ellipsis));
    if (!labels) return labels.error();
    if (static_cast<int>(labels->size()) != ranks[i] || ellipsis < 0) {
      return invalid_error("the term '" + terms[i] + "' of the equation stands for an operand of rank " +
                           std::to_string(ranks[i]));
    }
    widest = std::max(widest, ellipsis);
    equation.operands.push_back(std::move(*labels));
  }
  if (equation.explicit_result) {
    auto result = read_term(text.substr(arrow + 2), widest);
    if (!result) return result.error();
    equation.result = std::move(*result);
    for (size_t i = 0; i < equation.result.size(); ++i) {
      const int label = equation.result[i];
      bool known = label < 0;
      for (const auto& labels : equation.operands) known = known || std::count(labels.begin(), labels.end(), label) > 0;
      if (!known || std::count(equation.result.begin(), equation.result.end(), label) > 1) {
        return invalid_error("the result of the equation '" + text + "' has a label that is unknown or there twice");
      }
    }
    return equation;
  }
  std::map<int, int> seen;
  for (const auto& labels : equation.operands) {
    for (const int label : labels) ++seen[label];
  }
  for (const auto& [label, count] : seen) {
    if (label < 0 || count == 1) equation.result.push_back(label);  // in order: dims of "..." first, then letters
  }
  return equation;
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"equation", AttributeKind::text}}));
  EDGESMITH_TRY(check_all_same_dtype(node));
  std::vector<int> ranks;
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (node.input(i) == nullptr) return invalid_error("operand " + std::to_string(i) + " is missing");
    if (!node.input(i)->type().has_rank()) return {};
    ranks.push_back(node.input(i)->type().rank());
  }
  const auto equation = read_equation(node, ranks);
  return equation ? Status{} : equation.error();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  ir::Type type{node.input(0)->type().dtype, std::nullopt};
  std::vector<int> ranks;
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (!node.input(i)->type().has_rank()) return std::vector{type};
    ranks.push_back(node.input(i)->type().rank());
  }
  const auto equation = read_equation(node, ranks);
  if (!equation) return equation.error();
  std::map<int, ir::Shape> dims;
  for (size_t i = 0; i < ranks.size(); ++i) {
    const ir::Shape& shape = *node.input(static_cast<int>(i))->type().shape;
    for (size_t d = 0; d < shape.size(); ++d) {
      const int label = equation->operands[i][d];
      const auto [at, added] = dims.emplace(label, ir::Shape{shape[d]});
      if (added) continue;
      const auto joined = broadcast_shapes(at->second, {shape[d]});
      if (!joined) return joined.error();
      at->second = *joined;
    }
  }
  type.shape = ir::Shape{};
  for (const int label : equation->result) {
    const auto at = dims.find(label);
    type.shape->push_back(at == dims.end() ? ir::Dim(1) : at->second.front());
  }
  return std::vector{type};
}

// The walk: dims of the result, then those summed over, with every operand's strides.
struct Plan {
  ir::Dims dims;                  // by label, those of the result first
  std::vector<ir::Dims> strides;  // by operand
  ir::Dims result;
};

Result<Plan> plan_for(const Equation& equation, std::span<const ir::Tensor* const> inputs) {
  Plan plan;
  std::vector<int> labels = equation.result;
  std::map<int, int64_t> sizes;
  for (size_t i = 0; i < inputs.size(); ++i) {
    for (size_t d = 0; d < inputs[i]->dims().size(); ++d) {
      const int label = equation.operands[i][d];
      const int64_t dim = inputs[i]->dims()[d];
      const auto [at, added] = sizes.emplace(label, dim);
      if (added && std::count(labels.begin(), labels.end(), label) == 0) labels.push_back(label);
      if (at->second == 1) at->second = dim;
      if (dim != at->second && dim != 1) {
        return invalid_error("a label of the equation stands for " + std::to_string(at->second) + " and " +
                             std::to_string(dim) + " entries");
      }
    }
  }
  for (const int label : labels) plan.dims.push_back(sizes.count(label) > 0 ? sizes[label] : 1);
  plan.result.assign(plan.dims.begin(), plan.dims.begin() + static_cast<int64_t>(equation.result.size()));
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ir::Dims own = strides_of(inputs[i]->dims());
    ir::Dims strides(labels.size(), 0);
    for (size_t d = 0; d < own.size(); ++d) {
      if (inputs[i]->dims()[d] == 1) continue;
      const auto at = std::find(labels.begin(), labels.end(), equation.operands[i][d]) - labels.begin();
      strides[static_cast<size_t>(at)] += own[d];
    }
    plan.strides.push_back(std::move(strides));
  }
  return plan;
}

using EinsumTypes = Join<FloatTypes, Types<int32_t, int64_t>>;

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  std::vector<int> ranks;
  for (const ir::Tensor* input : inputs) {
    if (input == nullptr || input->dtype() != inputs[0]->dtype()) return invalid_error("an operand has another type");
    ranks.push_back(input->rank());
  }
  const auto equation = read_equation(node, ranks);
  if (!equation) return equation.error();
  const auto plan = plan_for(*equation, inputs);
  if (!plan) return plan.error();
  auto y = make_tensor(inputs[0]->dtype(), plan->result);
  if (!y) return y.error();
  EDGESMITH_TRY(check_size(ir::DType::i8, plan->dims));
  const int64_t cells = ir::num_elements(plan->result), total = ir::num_elements(plan->dims);
  return dispatch(EinsumTypes{}, y->dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    using Sum = std::conditional_t<std::is_floating_point_v<T>, double, T>;
    T* to = y->mutable_data<T>().data();
    std::vector<const T*> from;
    for (const ir::Tensor* input : inputs) from.push_back(input->data<T>().data());
    ir::Dims index(plan->dims.size(), 0);
    ir::Dims offsets(from.size(), 0);
    for (int64_t cell = 0; cell < cells; ++cell) {
      Sum sum{0};
      for (int64_t i = 0; i < total / cells; ++i) {
        Sum product{1};
        for (size_t k = 0; k < from.size(); ++k)
          product = wrapping_multiply(product, static_cast<Sum>(from[k][offsets[k]]));
        sum = wrapping_add(sum, product);
        for (size_t d = index.size(); d-- > 0;) {  // an odometer: the summed dims run fastest
          for (size_t k = 0; k < from.size(); ++k) offsets[k] += plan->strides[k][d];
          if (++index[d] < plan->dims[d]) break;
          for (size_t k = 0; k < from.size(); ++k) offsets[k] -= plan->strides[k][d] * plan->dims[d];
          index[d] = 0;
        }
      }
      to[cell] = static_cast<T>(sum);
    }
    return std::vector{std::move(*y)};
  });
}

// One multiplication for each operand after the first and each element of the walk.
Cost cost(const ir::Node& node) {
  std::vector<int> ranks;
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (node.input(i) == nullptr || !node.input(i)->type().has_rank()) return {};
    ranks.push_back(node.input(i)->type().rank());
  }
  const auto equation = read_equation(node, ranks);
  if (!equation) return {};
  std::map<int, int64_t> sizes;
  for (size_t i = 0; i < ranks.size(); ++i) {
    const ir::Shape& shape = *node.input(static_cast<int>(i))->type().shape;
    for (size_t d = 0; d < shape.size(); ++d) {
      int64_t& size = sizes.emplace(equation->operands[i][d], 1).first->second;
      if (shape[d].known()) size = std::max(size, shape[d].value());
    }
  }
  int64_t total = 1;
  for (const auto& [label, size] : sizes) {
    if (__builtin_mul_overflow(total, size, &total)) return {};
  }
  return {.macs = total * std::max(0, node.num_inputs() - 1)};
}

}  // namespace

extern const OpInfo einsum_info = {.kind = ir::OpKind::einsum,
                                   .min_inputs = 1,
                                   .max_inputs = -1,
                                   .min_outputs = 1,
                                   .max_outputs = 1,
                                   .verify = verify,
                                   .infer = infer,
                                   .eval = half_as_float<eval>,
                                   .cost = cost,
                                   .quant = nullptr,
                                   .no_gradient = kNotWritten};

}  // namespace edgesmith::ops::einsum_op
