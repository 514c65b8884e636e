// SPDX-License-Identifier: Apache-2.0
#include "train/training_graph.h"

#include <algorithm>

#include "edgesmith/base/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/runtime/executor.h"
#include "edgesmith/train/differentiate.h"

namespace edgesmith::train {
namespace {

// Names that a model's own inputs are unlikely to have.
constexpr const char* kTeacher = "edgesmith.teacher.";
constexpr const char* kLabels = "edgesmith.labels";
constexpr const char* kWeights = "edgesmith.sample_weights";
constexpr const char* kLoss = "edgesmith.loss";

// Weights that an error lists.
constexpr size_t kNamedWeights = 3;

ir::Type vector_of_samples(const ir::Graph& graph, const Objective& objective, const BatchForm& form) {
  if (!form.per_sample) return ir::type_of(ir::DType::f32, {1});
  const ir::Type& type = student_value(graph, objective.pairs.front()).type();
  return {ir::DType::f32, ir::Shape{type.shape->front()}};
}

/// By its own name or that of the weight whose step or codebook it is.
bool frozen(const std::string& name, const std::vector<std::string>& globs) {
  std::string_view weight = name;
  for (const std::string_view part : {".step", ".codebook"}) {
    if (weight.ends_with(part)) weight.remove_suffix(part.size());
  }
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return glob_match(glob, name) || glob_match(glob, weight); });
}

/// The error of a node without a gradient, with the weights behind it, which may be frozen.
Error explain(const Error& error, const ir::Graph& graph, ir::Value& loss, const std::vector<ir::Value*>& trained) {
  if (error.kind != ErrorKind::unsupported) return error;
  std::vector<std::string> behind;
  for (ir::Value* value : trained) {
    ir::Graph copy = graph.clone();
    ir::Value* one = find_value(copy, value->id());
    if (!differentiate(copy, *find_value(copy, loss.id()), {&one, 1})) behind.push_back(value->name());
  }
  if (behind.empty()) return error;
  const size_t count = behind.size();
  if (count == trained.size()) return {error.kind, error.message, "no weight of this model can be trained"};
  if (count > kNamedWeights) behind.resize(kNamedWeights);
  std::string names = join(behind, ", ");
  if (count > kNamedWeights) names += " and " + std::to_string(count - kNamedWeights) + " others";
  return {error.kind, error.message, "freeze the weights behind it with --freeze: " + names};
}

}  // namespace

ops::Term append_losses(ops::GradientBuilder& build, const Objective& objective, const BatchForm& form) {
  ir::Graph& graph = build.graph();
  std::vector<ops::Term> teachers(objective.pairs.size());
  ops::Term labels;
  for (size_t p = 0; p < objective.pairs.size(); ++p) {
    const Pair& pair = objective.pairs[p];
    if (pair.teacher < 0) continue;
    const ir::Type type = {ir::DType::f32, student_value(graph, pair).type().shape};
    teachers[p] = build.term(graph.add_input(kTeacher + std::to_string(p), type));
  }
  if (objective.needs_labels) {
    ir::Type type = vector_of_samples(graph, objective, form);
    type.shape->emplace_back(objective.pairs.front().classes);
    labels = build.term(graph.add_input(kLabels, std::move(type)));
  }
  ops::Term total;
  for (const LossTerm& term : objective.terms) {
    const Pair& pair = objective.pairs[term.pair];
    LossOperands operands;
    operands.student = ops::cast(build.term(student_value(graph, pair)), ir::DType::f32);
    operands.teacher = teachers[term.pair];
    operands.labels = labels;
    operands.rank = pair.rank;
    operands.class_axis = pair.class_axis;
    operands.classes = pair.classes;
    operands.temperature = objective.temperature;
    operands.per_sample = form.per_sample;
    const ops::Term loss = term.loss->build(operands) * term.weight;
    total = total.value == nullptr ? loss : total + loss;
  }
  return total;
}

Result<TrainingGraph> make_training_graph(const ir::Graph& student, const Objective& objective, const BatchForm& form,
                                          const TrainingGraphOptions& options) {
  TrainingGraph training;
  training.graph = student.clone();
  ir::Graph& graph = training.graph;
  training.first_parameter = graph.inputs().size();
  auto parameters = make_trainable(graph, options.trainable);
  if (!parameters) return parameters.error();
  EDGESMITH_TRY(ops::infer_types(graph));
  const std::vector<ir::Value*> inputs = graph.inputs();
  EDGESMITH_CHECK(inputs.size() == training.first_parameter + parameters->size());

  for (const std::string& glob : options.freeze) {
    const bool any = std::any_of(parameters->begin(), parameters->end(),
                                 [&](const Parameter& parameter) { return glob_match(glob, parameter.name); });
    if (any) continue;
    std::vector<std::string> names;
    for (const Parameter& parameter : *parameters) names.push_back(parameter.name);
    if (names.size() > kNamedWeights) names.resize(kNamedWeights);
    return usage_error("--freeze '" + glob + "' matches no weight", "their names are like " + join(names, ", "));
  }

  ops::GradientBuilder build(graph);
  const ops::Term each = append_losses(build, objective, form);
  const ops::Term weights = build.term(graph.add_input(kWeights, vector_of_samples(graph, objective, form)));
  ir::Value& loss = *ops::reduce_sum(each * weights, {0}, /*keep_dims=*/false).value;
  EDGESMITH_TRY(ops::infer_types(graph));

  std::vector<size_t> asked;
  std::vector<ir::Value*> values;
  for (size_t p = 0; p < parameters->size(); ++p) {
    if (frozen((*parameters)[p].name, options.freeze)) continue;
    asked.push_back(p);
    values.push_back((*parameters)[p].made != nullptr ? (*parameters)[p].made : inputs[training.first_parameter + p]);
  }
  if (values.empty()) return usage_error("there is no weight to train", "--freeze leaves none, or the model has none");
  auto gradients = differentiate(graph, loss, values);
  if (!gradients) return explain(gradients.error(), graph, loss, values);

  training.loss = static_cast<size_t>(graph.num_outputs());
  graph.add_output(kLoss, loss);
  for (size_t k = 0; k < asked.size(); ++k) {
    if ((*gradients)[k] == nullptr) continue;
    graph.add_output("edgesmith.gradient." + (*parameters)[asked[k]].name, *(*gradients)[k]);
    training.trained.push_back(asked[k]);
  }
  if (training.trained.empty()) return usage_error("no weight that is not frozen matters to the loss", "train others");
  training.parameters = std::move(*parameters);
  for (Parameter& parameter : training.parameters) parameter.made = nullptr;  // simplifying may take them away
  if (options.simplify) EDGESMITH_TRY(options.simplify(graph));
  return training;
}

Result<int64_t> activation_bytes(const ir::Graph& graph, int64_t batch) {
  ir::Graph fixed = graph.clone();
  std::string symbol;
  for (ir::Value* input : fixed.inputs()) {
    const ir::Type& type = input->type();
    if (symbol.empty() && type.has_rank() && type.rank() > 0 && type.shape->front().symbolic()) {
      symbol = type.shape->front().symbol();
    }
    if (!type.has_rank() || type.rank() == 0 || symbol.empty() || type.shape->front().symbol() != symbol) continue;
    ir::Type with_batch = type;
    with_batch.shape->front() = ir::Dim(batch);
    input->set_type(std::move(with_batch));
  }
  auto plan = runtime::plan_memory(fixed);
  if (!plan) return plan.error();
  return plan->arena_bytes;
}

}  // namespace edgesmith::train
