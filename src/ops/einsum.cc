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
#include "ops/einsum_equation.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/integer_math.h"

namespace edgesmith::ops::einsum_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"equation", AttributeKind::text}}));
  EDGESMITH_TRY(check_all_same_dtype(node));
  std::vector<int> ranks;
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (node.input(i) == nullptr) return invalid_error("operand " + std::to_string(i) + " is missing");
    if (!node.input(i)->type().has_rank()) return {};
    ranks.push_back(node.input(i)->type().rank());
  }
  const auto equation = read_einsum_equation(node, ranks);
  return equation ? Status{} : equation.error();
}

// The equation of a node whose operands have ranks.
Result<EinsumEquation> equation_of(const ir::Node& node) {
  std::vector<int> ranks;
  for (int i = 0; i < node.num_inputs(); ++i) ranks.push_back(node.input(i)->type().rank());
  return read_einsum_equation(node, ranks);
}

// What every label stands for, as a shape of one dim.
Result<std::map<int, ir::Shape>> label_sizes(const ir::Node& node, const EinsumEquation& equation) {
  std::map<int, ir::Shape> sizes;
  for (size_t i = 0; i < equation.operands.size(); ++i) {
    const ir::Shape& shape = *node.input(static_cast<int>(i))->type().shape;
    for (size_t d = 0; d < shape.size(); ++d) {
      const auto [at, added] = sizes.emplace(equation.operands[i][d], ir::Shape{shape[d]});
      if (added) continue;
      auto joined = broadcast_shapes(at->second, {shape[d]});
      if (!joined) return joined.error();
      at->second = *std::move(joined);
    }
  }
  return sizes;
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  ir::Type type{node.input(0)->type().dtype, std::nullopt};
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (!node.input(i)->type().has_rank()) return std::vector{type};
  }
  const auto equation = equation_of(node);
  if (!equation) return equation.error();
  const auto sizes = label_sizes(node, *equation);
  if (!sizes) return sizes.error();
  type.shape = ir::Shape{};
  for (const int label : equation->result) {
    const auto at = sizes->find(label);
    type.shape->push_back(at == sizes->end() ? ir::Dim(1) : at->second.front());
  }
  return std::vector{type};
}

// The walk: dims of the result, then those summed over, with every operand's strides.
struct Plan {
  ir::Dims dims;                  // by label, those of the result first
  std::vector<ir::Dims> strides;  // by operand
  ir::Dims result;
};

Result<Plan> plan_for(const EinsumEquation& equation, std::span<const ir::Tensor* const> inputs) {
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

// `sum` and the products of `run` elements of every operand, from their offsets on.
template <typename Sum, typename T>
Sum add_products(Sum sum, const std::vector<const T*>& from, const ir::Dims& offsets, const ir::Dims& steps,
                 int64_t run) {
  if (from.size() == 2) {
    const T *a = from[0] + offsets[0], *b = from[1] + offsets[1];
    for (int64_t i = 0; i < run; ++i) {
      const auto product = wrapping_multiply(static_cast<Sum>(a[i * steps[0]]), static_cast<Sum>(b[i * steps[1]]));
      sum = wrapping_add(sum, product);
    }
    return sum;
  }
  for (int64_t i = 0; i < run; ++i) {
    Sum product{1};
    for (size_t k = 0; k < from.size(); ++k) {
      product = wrapping_multiply(product, static_cast<Sum>(from[k][offsets[k] + i * steps[k]]));
    }
    sum = wrapping_add(sum, product);
  }
  return sum;
}

using EinsumTypes = Join<FloatTypes, Types<int32_t, int64_t>>;

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  std::vector<int> ranks;
  for (const ir::Tensor* input : inputs) {
    if (input == nullptr || input->dtype() != inputs[0]->dtype()) return invalid_error("an operand has another type");
    ranks.push_back(input->rank());
  }
  const auto equation = read_einsum_equation(node, ranks);
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
    // The last of the dims that are summed over is walked in one go.
    const size_t rank = plan->dims.size(), outer = rank > plan->result.size() ? rank - 1 : rank;
    const int64_t run = outer < rank ? plan->dims[outer] : 1;
    ir::Dims steps;
    for (const ir::Dims& strides : plan->strides) steps.push_back(outer < rank ? strides[outer] : 0);
    ir::Dims index(outer, 0);
    ir::Dims offsets(from.size(), 0);
    for (int64_t cell = 0; cell < cells; ++cell) {
      Sum sum{0};
      for (int64_t i = 0; i < total / cells; i += run) {
        sum = add_products<Sum>(sum, from, offsets, steps, run);
        for (size_t d = outer; d-- > 0;) {  // an odometer: the summed dims run fastest
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
  const auto equation = read_einsum_equation(node, ranks);
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

// Letters for the labels of an equation, and for further ones.
class Letters {
 public:
  char of(int label) {
    const auto [at, added] = letters_.emplace(label, next_);
    if (added) ++next_;
    return letter(at->second);
  }
  char another() { return letter(next_++); }
  std::string term(const std::vector<int>& labels) {
    std::string text;
    for (const int label : labels) text += of(label);
    return text;
  }
  bool enough() const { return next_ <= kLetters; }

 private:
  static constexpr int kLetters = 52;
  static char letter(int index) { return static_cast<char>(index < 26 ? 'a' + index : 'A' + index % 26); }
  std::map<int, int> letters_;
  int next_ = 0;
};

// The gradient of one operand: an einsum of dy and the other operands, with the operand's labels as its result.
class OperandGradient {
 public:
  OperandGradient(GradientBuilder& build, const ir::Node& node, const EinsumEquation& equation,
                  const std::map<int, ir::Shape>& sizes, int operand)
      : build_(build),
        node_(node),
        equation_(equation),
        sizes_(sizes),
        operand_(operand),
        dtype_(node.output().type().dtype) {}

  Result<Term> run(ir::Value& dy) {
    add(dy, letters_.term(equation_.result));
    for (int i = 0; i < node_.num_inputs(); ++i) {
      if (i != operand_) add(*node_.input(i), letters_.term(labels_of(i)));
    }
    const std::vector<int>& labels = labels_of(operand_);
    std::string result;
    ir::Shape shape;
    for (size_t d = 0; d < labels.size(); ++d) {
      const auto end = labels.begin() + static_cast<int64_t>(d);
      const bool again = std::find(labels.begin(), end, labels[d]) != end;
      result += again ? add_diagonal(labels[d]) : letters_.of(labels[d]);
      if (std::count(labels.begin(), labels.end(), labels[d]) == 1 && !covered(labels[d])) add_ones(labels[d]);
      shape.push_back(sizes_.at(labels[d]).front());
    }
    if (!letters_.enough()) return unsupported_error("its gradient needs more labels than there are letters");
    ir::Node& made =
        build_.append_node(ir::OpKind::einsum, {factors_.front()}, 1, {{"equation", terms_ + "->" + result}});
    for (size_t i = 1; i < factors_.size(); ++i) build_.graph().set_input(made, static_cast<int>(i), factors_[i]);
    return sum_to(build_.term(made.output(), dtype_), shape, *node_.input(operand_));
  }

 private:
  const std::vector<int>& labels_of(int operand) const { return equation_.operands[static_cast<size_t>(operand)]; }

  void add(ir::Value& factor, const std::string& term) {
    if (!factors_.empty()) terms_ += ",";
    terms_ += term;
    factors_.push_back(&factor);
  }

  // Whether dy or another operand surely runs along all entries of the label.
  bool covered(int label) const {
    if (std::count(equation_.result.begin(), equation_.result.end(), label) > 0) return true;
    for (int i = 0; i < node_.num_inputs(); ++i) {
      const std::vector<int>& labels = labels_of(i);
      for (size_t d = 0; i != operand_ && d < labels.size(); ++d) {
        const ir::Dim& dim = (*node_.input(i)->type().shape)[d];
        if (labels[d] == label && dim.same_as(sizes_.at(label).front())) return true;
      }
    }
    return false;
  }

  // How many entries a label stands for: i64 [1].
  ir::Value& size_of(int label) {
    const ir::Dim& size = sizes_.at(label).front();
    if (size.known()) return build_.ints({size.value()});
    ir::Value* largest = nullptr;
    for (int i = 0; i < node_.num_inputs(); ++i) {
      const std::vector<int>& labels = labels_of(i);
      for (size_t d = 0; d < labels.size(); ++d) {
        const ir::Dim& dim = (*node_.input(i)->type().shape)[d];
        if (labels[d] != label || (dim.known() && dim.value() == 1)) continue;
        ir::Value& own = build_.size_of(*node_.input(i), static_cast<int>(d));
        if (dim.same_as(size)) return own;
        largest = largest == nullptr ? &own : &build_.append(ir::OpKind::max, {largest, &own});
      }
    }
    return *largest;
  }

  // A label that nothing else runs along: every entry has the same gradient.
  void add_ones(int label) {
    add(build_.append(ir::OpKind::expand, {build_.number(1, dtype_).value, &size_of(label)}),
        std::string(1, letters_.of(label)));
  }

  // A label that occurs again in the operand: beside the diagonal nothing flows. Returns the letter of that axis.
  char add_diagonal(int label) {
    ir::Value& size = size_of(label);
    ir::Value& dims = build_.append(ir::OpKind::concat, {&size, &size}, {{"axis", int64_t{0}}});
    ir::Value& zeros = build_.append(ir::OpKind::expand, {build_.number(0, dtype_).value, &dims});
    const char letter = letters_.another();
    add(build_.append(ir::OpKind::eye_like, {&zeros}), {letters_.of(label), letter});
    return letter;
  }

  GradientBuilder& build_;
  const ir::Node& node_;
  const EinsumEquation& equation_;
  const std::map<int, ir::Shape>& sizes_;
  int operand_;
  ir::DType dtype_;
  Letters letters_;
  std::string terms_;
  std::vector<ir::Value*> factors_;
};

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const auto equation = equation_of(node);
  if (!equation) return equation.error();
  const auto sizes = label_sizes(node, *equation);
  if (!sizes) return sizes.error();
  std::vector<ir::Value*> gradients;
  for (int i = 0; i < node.num_inputs(); ++i) {
    gradients.push_back(nullptr);
    if (!build.wants(i)) continue;
    const auto dx = OperandGradient(build, node, *equation, *sizes, i).run(*outputs[0]);
    if (!dx) return dx.error();
    gradients.back() = dx->value;
  }
  return gradients;
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
                                   .gradient = gradient};

}  // namespace edgesmith::ops::einsum_op
