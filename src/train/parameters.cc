// SPDX-License-Identifier: Apache-2.0
#include "train/parameters.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "edgesmith/ir/short_floats.h"
#include "edgesmith/ops/op_info.h"
#include "train/activation_steps.h"
#include "train/integer_biases.h"
#include "train/pair_rule.h"
#include "train/trainable.h"
#include "train/weight_form.h"

namespace edgesmith::train {
namespace {

// The first node that computes something; constants made for the whole graph stand before it.
ir::Node& first_computing(ir::Graph& graph) {
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::input) && !node.is(ir::OpKind::constant)) return node;
  }
  return graph.output_node();
}

bool holds_codes(const ir::Tensor& tensor) {
  return tensor.encoding() == ir::Encoding::affine || tensor.encoding() == ir::Encoding::palette;
}

Status check_value(const Parameter& given, const Parameter& known) {
  if (given.value.dims() != known.value.dims() || given.value.dtype() != ir::DType::f32) {
    return invalid_error("parameter '" + given.name + "' is " + given.value.type().text() + ", the student needs " +
                         known.value.type().text());
  }
  for (const float number : given.value.data<float>()) {
    if (!std::isfinite(number)) return invalid_error("parameter '" + given.name + "' holds NaN or infinity");
  }
  return {};
}

// The trained values for some parameters, in their order; those that were not given stay as they are.
class Values {
 public:
  explicit Values(std::span<const Parameter> given) : given_(given), taken_(given.size(), false) {}

  /// `changed`: some differ from where the student is.
  Result<std::vector<ir::Tensor>> take(const std::vector<Parameter>& known, bool& changed) {
    std::vector<ir::Tensor> values;
    changed = false;
    for (const Parameter& parameter : known) {
      values.push_back(parameter.value);
      for (size_t i = 0; i < given_.size(); ++i) {
        if (given_[i].name != parameter.name) continue;
        EDGESMITH_TRY(check_value(given_[i], parameter));
        taken_[i] = true;
        changed = changed || !given_[i].value.identical_to(parameter.value);
        values.back() = given_[i].value;
      }
    }
    return values;
  }

  Status check_all_taken() const {
    for (size_t i = 0; i < given_.size(); ++i) {
      if (!taken_[i]) return invalid_error("the student has no parameter '" + given_[i].name + "'");
    }
    return {};
  }

 private:
  std::span<const Parameter> given_;
  std::vector<bool> taken_;
};

// Biases, and weights that are codes or share values.
bool has_short_form(const Trainable& trainable, const ir::Tensor& constant) {
  return trainable.weight ? holds_codes(constant) : constant.encoding() == ir::Encoding::dense;
}

// The readers that are trained see `tensor`; others keep what they read.
void set_constant(ir::Graph& graph, const Trainable& trainable, ir::Tensor tensor) {
  if (trainable.uses.size() == trainable.value->uses().size()) {
    graph.set_tensor(trainable.value->node(), std::move(tensor));
    return;
  }
  ir::Value& own = graph.add_constant(std::move(tensor), trainable.name, &trainable.value->node());
  for (const ir::Use& use : trainable.uses) graph.set_input(*use.node, use.index, &own);
}

Parameter parameter_of(const StepGroup& group) {
  return {
      .name = group.name, .value = ir::Tensor::scalar(group.scale), .rate = step_rate(numbers_of(group), group.high)};
}

void set_scale(const StepGroup& group, float scale) {
  for (ir::Value* value : group.values) {
    ir::Quant quant = *value->quant();
    quant.scale = {scale};
    quant.method = "learned";
    value->set_quant(std::move(quant));
  }
}

}  // namespace

ir::Value& NodeMaker::make(ir::OpKind op, std::initializer_list<ir::Value*> inputs,
                           std::initializer_list<std::pair<std::string_view, ir::Attribute>> attributes) {
  ir::Node& node = graph_.insert_before(before_, op, inputs);
  for (const auto& [name, attribute] : attributes) node.attributes().set(name, attribute);
  return node.output();
}

ir::Value& NodeMaker::constant(ir::Tensor tensor) { return graph_.add_constant(std::move(tensor), {}, &before_); }

bool has_form(const ir::Tensor& constant) {
  if (constant.dtype() != ir::DType::f32 || constant.size() == 0) return false;
  const bool codes = constant.encoding() == ir::Encoding::affine && constant.as_palette() == nullptr;
  return !codes || constant.quant().dtype == ir::DType::i32 || has_code_form(constant);
}

std::unique_ptr<WeightForm> form_of(const ir::Tensor& constant, bool weight, const TrainableOptions& options) {
  if (has_code_form(constant)) return code_form(constant, options.keep_zeros);
  if (options.learn_indices && has_free_codebook_form(constant)) return free_codebook_form(constant);
  if (constant.as_palette() != nullptr) return codebook_form(constant);
  return plain_form(constant, weight);
}

bool have_short_floats(const ir::Graph& student) {
  bool found = false;
  for (const Trainable& trainable : find_trainables(student)) {
    const ir::Tensor& constant = *trainable.value->constant();
    if (!trainable.weight || !holds_codes(constant)) continue;
    if (!ir::has_short_floats(constant)) return false;
    found = true;
  }
  return found;
}

Result<std::vector<Parameter>> make_trainable(ir::Graph& graph, const TrainableOptions& options) {
  EDGESMITH_TRY(ops::infer_types(graph));
  std::vector<Parameter> parameters;
  NodeMaker maker(graph, first_computing(graph));
  const std::vector<StepGroup> groups = options.learn_steps ? find_step_groups(graph) : std::vector<StepGroup>{};
  for (const Trainable& trainable : find_trainables(graph, options.trained)) {
    const auto form = form_of(*trainable.value->constant(), trainable.weight, options);
    std::vector<ir::Value*> inputs;
    const size_t first = parameters.size();
    for (Parameter& parameter : form->parameters(trainable.name)) {
      if (!inputs.empty() && !options.learn_steps) {
        inputs.push_back(&maker.constant(parameter.value));
        continue;
      }
      inputs.push_back(&graph.add_input(parameter.name, parameter.value.type()));
      parameters.push_back(std::move(parameter));
    }
    ir::Value& made = form->build(maker, inputs);
    if (form->straight_through()) parameters[first].made = &made;
    for (const ir::Use& use : trainable.uses) graph.set_input(*use.node, use.index, &made);
    if (trainable.value->unused()) graph.erase(trainable.value->node());
  }
  if (parameters.empty()) {
    return unsupported_error("there is nothing to train: no layer has float32 weights",
                             "train a model with Conv, Gemm or MatMul whose weights are constants; half floats become "
                             "float32 by 'edgesmith convert MODEL --to fp32 -o FLOAT.onnx'");
  }
  for (const StepGroup& group : groups) {
    parameters.push_back(parameter_of(group));
    build_steps(graph, maker, group, graph.add_input(group.name, parameters.back().value.type()));
  }
  EDGESMITH_TRY(ops::infer_types(graph));
  return parameters;
}

Status write_back(std::span<const Parameter> parameters, ir::Graph& student, const TrainableOptions& options) {
  Values values(parameters);
  const std::vector<IntegerBias> biases = find_integer_biases(student);
  for (const StepGroup& group : find_step_groups(student)) {
    bool changed = false;
    const auto learned = values.take({parameter_of(group)}, changed);
    if (!learned) return learned.error();
    if (changed) set_scale(group, used_scale(group, (*learned)[0].to_floats()[0]));
  }
  for (const Trainable& trainable : find_trainables(student)) {
    const auto form = form_of(*trainable.value->constant(), trainable.weight, options);
    bool changed = false;
    const auto trained = values.take(form->parameters(trainable.name), changed);
    if (!trained) return trained.error();
    if (!changed) continue;
    ir::Tensor constant = form->restore(*trained);
    if (trainable.weight) {
      constant = keep_pair_rule(*trainable.uses[0].node, *trainable.value->constant(), std::move(constant));
    }
    if (options.short_floats && has_short_form(trainable, constant)) constant = ir::with_short_floats(constant);
    set_constant(student, trainable, std::move(constant));
  }
  EDGESMITH_TRY(values.check_all_taken());
  round_biases(student, biases);
  return {};
}

}  // namespace edgesmith::train
