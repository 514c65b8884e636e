// SPDX-License-Identifier: Apache-2.0
// Resize of float32 tensors, any filter but crops: axis by axis (ops::resize_order), every output a mix of a few
// inputs whose places and weights are made once for some dims. Vectors lie across what is behind the axis. Images under
// the linear filter are mixed from four corners at once, in ONNX Runtime's order and to its bits: a quantized input
// lies on rounding ties only too often.
//
// Scratch: what two axes in turn leave behind for the next one; for corners, two input rows spread over the outputs.
#include <algorithm>

#include "edgesmith/ops/resizing.h"
#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/split.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

bool constant_or_absent(const ir::Value* value) { return value == nullptr || value->constant() != nullptr; }

bool supports(const ir::Node& node) {
  const ir::Attributes& attributes = node.attributes();
  const ir::Type& x = node.input(0)->type();
  return x.dtype == ir::DType::f32 && x.rank() >= 1 && constant_or_absent(node.input(2)) &&
         attributes.get_string("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize" &&
         (constant_or_absent(node.input(3)) ||
          attributes.get_string("keep_aspect_ratio_policy", "stretch") == "stretch");
}

// An axis along which something happens: [outer][input][inner] to [outer][output][inner].
struct Pass {
  size_t axis;
  int64_t outer, input, output, inner;
  std::vector<int64_t> begins, indices;
  std::vector<float> weights;
  bool picks;  // every output is one of the inputs

  int64_t results() const { return outer * output * inner; }
};

struct Passes : Prepared {
  std::vector<Pass> passes;
  // The two last axes under the linear filter, two inputs for every output.
  struct Image {
    int64_t images, input_rows, input_columns;
    std::vector<int64_t> rows, columns;              // in pairs
    std::vector<float> row_weights;                  // in pairs
    std::vector<float> left_weights, right_weights;  // of the columns
  };
  std::optional<Image> image;
};

// Empty unless the two axes that change are the last ones and every output mixes two inputs along each.
std::optional<Passes::Image> image_of(const ir::Node& node, const std::vector<Pass>& passes, size_t rank) {
  const ir::Attributes& attributes = node.attributes();
  if (attributes.get_string("mode", "nearest") != "linear" || attributes.get_int("antialias", 0) != 0) return {};
  if (passes.size() != 2 || passes[0].axis + passes[1].axis != 2 * rank - 3) return {};
  const bool columns_first = passes[0].axis > passes[1].axis;
  const Pass &columns = passes[columns_first ? 0 : 1], &rows = passes[columns_first ? 1 : 0];
  Passes::Image image = {rows.outer, rows.input, columns.input, rows.indices, columns.indices, rows.weights, {}, {}};
  for (size_t i = 0; i < columns.weights.size(); i += 2) {
    image.left_weights.push_back(columns.weights[i]);
    image.right_weights.push_back(columns.weights[i + 1]);
  }
  return image;
}

Result<Passes> passes_of(const ir::Node& node, const ir::Dims& input, const ir::Dims& output) {
  auto axes = ops::resize_mixes(node, input, output);
  if (!axes) return axes.error();
  Passes out;
  ir::Dims dims = input;
  for (const size_t d : ops::resize_order(input, output)) {
    ops::AxisMixes& axis = (*axes)[d];
    if (axis.begins.empty()) continue;
    Pass pass = {d, 1, input[d], output[d], 1, std::move(axis.begins), std::move(axis.indices), {}, true};
    for (size_t i = 0; i < dims.size(); ++i) {
      if (i != d) (i < d ? pass.outer : pass.inner) *= dims[i];
    }
    pass.weights.assign(axis.weights.begin(), axis.weights.end());
    for (const float weight : pass.weights) pass.picks = pass.picks && weight == 1.0F;
    pass.picks = pass.picks && pass.indices.size() + 1 == pass.begins.size();
    dims[d] = output[d];
    out.passes.push_back(std::move(pass));
  }
  out.image = image_of(node, out.passes, input.size());
  return out;
}

Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared*, OperandDims inputs,
                                             const ir::Dims& output, Isa) {
  auto passes = passes_of(node, *inputs[0], output);
  if (!passes) return passes.error();
  return std::shared_ptr<const Prepared>(std::make_shared<Passes>(std::move(*passes)));
}

// Floats of what is left for the next axis.
int64_t left_floats(const Passes& passes) {
  int64_t floats = 0;
  for (size_t i = 0; i + 1 < passes.passes.size(); ++i) floats = std::max(floats, passes.passes[i].results());
  return round_up(floats, 16);
}

// A row spread over the outputs.
int64_t row_floats(const Passes::Image& image) {
  return round_up(2 * static_cast<int64_t>(image.left_weights.size()), 16);
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims& output, Isa) {
  const auto passes = passes_of(node, *inputs[0], output);
  if (!passes) return passes.error();
  return (passes->image ? 2 * row_floats(*passes->image) : 2 * left_floats(*passes)) * 4;
}

// Rows of an input image, every pixel where outputs need it: the left neighbour of each output, then the right one. The
// two rows that were asked for last are kept.
class SpreadRows {
 public:
  SpreadRows(const Passes::Image& image, float* scratch) : image_(image), rows_{scratch, scratch + row_floats(image)} {}

  void start(const float* in) {
    in_ = in;
    held_[0] = held_[1] = -1;
  }

  // Row `at`; row `other` stays if it is held.
  const float* row(int64_t at, int64_t other) {
    for (int s = 0; s < 2; ++s) {
      if (held_[s] == at) return rows_[s];
    }
    const int slot = held_[0] == other ? 1 : 0;
    held_[slot] = at;
    spread(in_ + at * image_.input_columns, rows_[slot]);
    return rows_[slot];
  }

 private:
  void spread(const float* in, float* out) const {
    const size_t width = image_.left_weights.size();
    float* right = out + width;
    for (size_t i = 0; i < width; ++i) {
      out[i] = in[image_.columns[2 * i]];
      right[i] = in[image_.columns[2 * i + 1]];
    }
  }

  const Passes::Image& image_;
  float* rows_[2];
  const float* in_ = nullptr;
  int64_t held_[2] = {-1, -1};
};

void run_image(const NativeTable& table, const Passes::Image& image, const float* in, float* scratch, float* out) {
  SpreadRows rows(image, scratch);
  const auto width = static_cast<int64_t>(image.left_weights.size());
  for (int64_t i = 0; i < image.images; ++i, in += image.input_rows * image.input_columns) {
    rows.start(in);
    for (size_t r = 0; r < image.rows.size(); r += 2, out += width) {
      const float* above = rows.row(image.rows[r], image.rows[r + 1]);
      const float* below = rows.row(image.rows[r + 1], image.rows[r]);
      table.mix_corners({image.left_weights.data(), image.right_weights.data(), image.row_weights[r],
                         image.row_weights[r + 1], above, above + width, below, below + width},
                        width, out);
    }
  }
}

void run_pass(const NativeTable& table, const Pass& p, const float* in, float* out) {
  for (int64_t outer = 0; outer < p.outer; ++outer, in += p.input * p.inner) {
    if (p.inner == 1) {
      table.mix_neighbours(in, p.begins.data(), p.indices.data(), p.weights.data(), p.output, out);
      out += p.output;
      continue;
    }
    for (int64_t o = 0; o < p.output; ++o, out += p.inner) {
      const int64_t first = p.begins[static_cast<size_t>(o)], count = p.begins[static_cast<size_t>(o) + 1] - first;
      if (p.picks) {
        std::copy_n(in + p.indices[static_cast<size_t>(first)] * p.inner, p.inner, out);
      } else {
        table.mix(in, p.indices.data() + first, p.weights.data() + first, count, p.inner, out);
      }
    }
  }
}

Status run(const KernelCall& call) {
  const auto& all = static_cast<const Passes&>(*call.bound);
  const std::vector<Pass>& passes = all.passes;
  const NativeTable& table = native_table(call.isa);
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  const int64_t results = ir::num_elements(*call.outputs[0].dims);
  if (results == 0) return {};
  if (passes.empty()) std::copy_n(in, results, out);
  auto* left = reinterpret_cast<float*>(call.scratch);
  if (all.image) run_image(table, *all.image, in, left, out);
  for (size_t i = 0; i < passes.size() && !all.image; ++i) {
    float* to = i + 1 == passes.size() ? out : left + static_cast<int64_t>(i % 2) * left_floats(all);
    run_pass(table, passes[i], in, to);
    in = to;
  }
  if (!call.epilogue.empty()) table.apply_epilogue(call.epilogue, out, out, results);
  return {};
}

}  // namespace

const Kernel kResizeF32 = {.provider = "native",
                           .name = "resize_f32",
                           .op = ir::OpKind::resize,
                           .epilogue = true,
                           .supports = supports,
                           .scratch_bytes = scratch_bytes,
                           .bind = bind,
                           .run = run};

}  // namespace edgesmith::runtime::native
