// SPDX-License-Identifier: Apache-2.0
// non_max_suppression: boxes kept class by class, the best score first, unless one kept before overlaps too much (its
// intersection over union is above the threshold). Operands: boxes [batches, boxes, 4], scores [batches, classes,
// boxes], then optional numbers: max_output_boxes_per_class (i64, default 0), iou_threshold (default 0),
// score_threshold (f32; scores must be above it). Attribute center_point_box: 0 (default) for corners y1, x1, y2, x2
// in any order, 1 for center x, y, width, height. Result: i64 [kept, 3] of batch, class and box. f32.
#include <algorithm>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"

namespace edgesmith::ops::non_max_suppression_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"center_point_box", AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "center_point_box"));
  return check_same_dtype(node, {0, 1});
}

Result<std::vector<ir::Type>> infer(const ir::Node&, InferContext&) {
  return std::vector{ir::Type{ir::DType::i64, ir::Shape{ir::Dim(), ir::Dim(3)}}};
}

struct Box {
  float top = 0, left = 0, bottom = 0, right = 0;

  Box(const float* p, bool centred) {
    if (centred) {
      *this = Box(p[1] - p[3] / 2, p[0] - p[2] / 2, p[1] + p[3] / 2, p[0] + p[2] / 2);
    } else {
      *this = Box(std::min(p[0], p[2]), std::min(p[1], p[3]), std::max(p[0], p[2]), std::max(p[1], p[3]));
    }
  }
  float area() const { return (bottom - top) * (right - left); }

 private:
  Box(float top, float left, float bottom, float right) : top(top), left(left), bottom(bottom), right(right) {}
};

bool overlap(const Box& a, const Box& b, float threshold) {
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  if (height <= 0 || width <= 0 || a.area() <= 0 || b.area() <= 0) return false;
  const float shared = height * width;
  return shared / (a.area() + b.area() - shared) > threshold;
}

// The one number of an optional operand.
Result<float> number(std::span<const ir::Tensor* const> inputs, size_t index, float otherwise) {
  const ir::Tensor* tensor = operand(inputs, index);
  if (tensor == nullptr) return otherwise;
  if (tensor->size() == 1 && tensor->dtype() == ir::DType::f32) return tensor->data<float>()[0];
  return invalid_error("operand " + std::to_string(index) + " is " + tensor->type().text() + ", must be one f32");
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &boxes = *inputs[0], &scores = *inputs[1];
  if (boxes.dtype() != ir::DType::f32) return unsupported_dtype(boxes.dtype());
  const bool fits = scores.dtype() == boxes.dtype() && boxes.rank() == 3 && scores.rank() == 3 &&
                    boxes.dims()[2] == 4 && boxes.dims()[0] == scores.dims()[0] && boxes.dims()[1] == scores.dims()[2];
  if (!fits) return invalid_error("boxes are " + boxes.type().text() + ", scores " + scores.type().text());
  int64_t most = 0;
  if (const ir::Tensor* given = operand(inputs, 2)) {
    const auto numbers = read_ints(*given, "max_output_boxes_per_class");
    if (!numbers) return numbers.error();
    if (numbers->size() != 1) return invalid_error("max_output_boxes_per_class must be one number");
    most = numbers->front();
  }
  const auto iou = number(inputs, 3, 0.0F), least = number(inputs, 4, 0.0F);
  if (!iou) return iou.error();
  if (!least) return least.error();
  const bool bounded = operand(inputs, 4) != nullptr, centred = node.attributes().get_int("center_point_box", 0) != 0;
  const int64_t count = boxes.dims()[1], classes = scores.dims()[1];
  std::vector<int64_t> kept_all;
  for (int64_t batch = 0; batch < boxes.dims()[0]; ++batch) {
    const float* corners = boxes.data<float>().data() + batch * count * 4;
    for (int64_t c = 0; c < classes; ++c) {
      const float* score = scores.data<float>().data() + (batch * classes + c) * count;
      std::vector<int64_t> order;
      for (int64_t i = 0; i < count; ++i) {
        if (!bounded || score[i] > *least) order.push_back(i);
      }
      std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) { return score[i] > score[j]; });
      std::vector<Box> kept;
      for (const int64_t i : order) {
        if (static_cast<int64_t>(kept.size()) >= most) break;
        const Box box(corners + i * 4, centred);
        if (std::any_of(kept.begin(), kept.end(), [&](const Box& other) { return overlap(box, other, *iou); }))
          continue;
        kept.push_back(box);
        kept_all.insert(kept_all.end(), {batch, c, i});
      }
    }
  }
  const auto rows = static_cast<int64_t>(kept_all.size() / 3);
  return std::vector{ir::Tensor::of<int64_t>({rows, 3}, kept_all)};
}

}  // namespace

extern const OpInfo non_max_suppression_info = {.kind = ir::OpKind::non_max_suppression,
                                                .min_inputs = 2,
                                                .max_inputs = 5,
                                                .min_outputs = 1,
                                                .max_outputs = 1,
                                                .verify = verify,
                                                .infer = infer,
                                                .eval = eval,
                                                .cost = no_cost,
                                                .quant = nullptr,
                                                .no_gradient = kPositions};

}  // namespace edgesmith::ops::non_max_suppression_op
