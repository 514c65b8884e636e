// SPDX-License-Identifier: Apache-2.0
#include "ops/class_loss.h"

#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/places.h"

namespace edgesmith::ops {
namespace {

std::string reduction_of(const ir::Node& node) { return node.attributes().get_string("reduction", "mean"); }

}  // namespace

Status verify_class_loss(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"ignore_index", AttributeKind::integer}, {"reduction", AttributeKind::text}}));
  const std::string reduction = reduction_of(node);
  if (reduction != "mean" && reduction != "sum" && reduction != "none") {
    return invalid_error("reduction is '" + reduction + "', must be mean, sum or none");
  }
  return check_same_dtype(node, {0, 2});
}

ir::Type class_loss_type(const ir::Node& node) {
  ir::Type type{node.input(0)->type().dtype, ir::Shape{}};
  if (reduction_of(node) == "none") type.shape = node.input(1)->type().shape;
  return type;
}

Result<ir::Tensor> class_loss(const ir::Node& node, const ir::Tensor& log_probabilities, const ir::Tensor& targets,
                              const ir::Tensor* weights) {
  const ir::Tensor& x = log_probabilities;
  const auto classes = read_indices(targets, "targets");
  if (!classes) return classes.error();
  ir::Dims expected = x.dims();
  if (expected.size() >= 2) expected.erase(expected.begin() + 1);
  if (x.rank() < 2 || targets.dims() != expected) {
    return invalid_error("targets are " + targets.type().text() + " for x " + x.type().text());
  }
  const int64_t count = x.dims()[1];
  if (weights != nullptr && (weights->dims() != ir::Dims{count} || weights->dtype() != x.dtype())) {
    return invalid_error("weights are " + weights->type().text() + " for x " + x.type().text());
  }
  const bool ignores = node.attributes().has("ignore_index");
  const int64_t ignored = node.attributes().get_int("ignore_index", 0);
  const std::string reduction = reduction_of(node);
  const int64_t plane = x.dims()[0] == 0 ? 0 : targets.size() / x.dims()[0];
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<ir::Tensor> {
    ir::Tensor losses = ir::Tensor::zeros(x.dtype(), targets.dims());
    const auto from = x.data<T>();
    const auto to = losses.mutable_data<T>();
    double sum = 0, weight_sum = 0;
    for (size_t i = 0; i < to.size(); ++i) {
      const int64_t target = (*classes)[i], at = static_cast<int64_t>(i);
      if (ignores && target == ignored) continue;
      if (target < 0 || target >= count) {
        return invalid_error("a target is " + std::to_string(target) + " for " + std::to_string(count) + " classes");
      }
      const T weight = weights != nullptr ? weights->data<T>()[static_cast<size_t>(target)] : T{1};
      const auto place = static_cast<size_t>((at / plane * count + target) * plane + at % plane);
      to[i] = -from[place] * weight;
      sum += static_cast<double>(to[i]);
      weight_sum += static_cast<double>(weight);
    }
    if (reduction == "none") return losses;
    return ir::Tensor::scalar<T>(static_cast<T>(reduction == "mean" ? sum / weight_sum : sum));
  });
}

// chosen: [N, C, ...], true at the class of every target that counts. With w the weights, 1 without any, and W the sum
// of those that count: dx = -w * dloss (mean: / W) where chosen; dw = -x * dloss (mean: -(x + loss) * dloss / W) where
// chosen, summed over everything but the classes.
ClassLossGradients class_loss_gradients(const ir::Node& node, const Term& x, const Term& dloss) {
  GradientBuilder& build = *x.build;
  const std::string reduction = reduction_of(node);
  ir::Value& scores = *node.input(0);
  const int rank = scores.type().rank();
  const Term targets = unsqueeze(cast(build.term(*node.input(1)), ir::DType::i64), {1});
  Term chosen = equal(targets, along_channels(positions_along(build, scores, 1), rank));
  if (node.attributes().has("ignore_index")) {
    ir::Value& index = build.ints({node.attributes().get_int("ignore_index", 0)});
    const Term ignored = equal(targets, build.term(index, ir::DType::i64));
    chosen = apply(ir::OpKind::logical_and, chosen, apply(ir::OpKind::logical_not, ignored));
  }
  ir::Value* weights = node.input(2);
  const Term weight = weights != nullptr ? along_channels(build.term(*weights), rank) : build.number(1, x.dtype);
  Term slope = reduction == "none" ? unsqueeze(dloss, {1}) : dloss;
  if (reduction == "mean") {
    ir::Ints axes;
    for (int d = 0; d < rank; ++d) axes.push_back(d);
    const Term counts = cast(chosen, x.dtype) * weight;
    slope = slope / reduce_sum(counts, axes, /*keep_dims=*/false);
  }
  ClassLossGradients gradients;
  gradients.x = where(chosen, -(slope * weight), 0);
  if (!build.wants(2) || weights == nullptr) return gradients;
  const Term part = reduction == "mean" ? x + build.term(node.output(0)) : x;
  gradients.weights = sum_over_channel(where(chosen, -(part * slope), 0), rank);
  return gradients;
}

}  // namespace edgesmith::ops
