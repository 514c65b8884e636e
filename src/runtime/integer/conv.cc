// SPDX-License-Identifier: Apache-2.0
// Convolution on codes [N, C, spatial...] row-major, any group: for every output the codes under the window are
// gathered (channels innermost, padding is the zero point) and multiplied with the output channel's weights.
#include "edgesmith/ops/pair_sums.h"
#include "edgesmith/ops/window.h"
#include "runtime/integer/plain.h"

namespace edgesmith::runtime::integer {

namespace {

// Counts `index` up within `dims`, last axis fastest. False past the end.
bool next(ir::Dims& index, const ir::Dims& dims) {
  for (size_t axis = dims.size(); axis-- > 0;) {
    if (++index[axis] < dims[axis]) return true;
    index[axis] = 0;
  }
  return false;
}

// Flat positions within an input plane under the window at `output`, by tap; -1 in the padding.
std::vector<int64_t> positions(const ops::Window& window, const ir::Dims& output) {
  std::vector<int64_t> out;
  ir::Dims tap(window.kernel.size(), 0);
  do {
    int64_t position = 0;
    for (size_t axis = 0; axis < tap.size() && position >= 0; ++axis) {
      const int64_t at =
          output[axis] * window.strides[axis] + tap[axis] * window.dilations[axis] - window.pads_begin[axis];
      position = at < 0 || at >= window.input[axis] ? -1 : position * window.input[axis] + at;
    }
    out.push_back(position);
  } while (next(tap, window.kernel));
  return out;
}

}  // namespace

bool is_conv(const Form& form) { return form.node->is(ir::OpKind::conv) && has_weight_layer(form); }

Status run_conv(const KernelCall& call) {
  const auto& [form, layer] = static_cast<const PlainWeights&>(*call.prepared);
  const ir::Dims& x = call.inputs[0]->dims();
  const ir::Dims& weight = call.inputs[1]->dims();
  const auto window =
      ops::resolve_window(call.node, ir::Dims(x.begin() + 2, x.end()), ir::Dims(weight.begin() + 2, weight.end()));
  if (!window) return window.error();
  const int64_t pixels = ir::num_elements(window->output), plane = ir::num_elements(window->input);
  if (x[0] * layer.outputs * pixels == 0) return {};
  const int64_t channels = weight[1], group_outputs = layer.outputs / call.node.attributes().get_int("group", 1);
  const bool saturating = form.saturating() && ops::adds_pairs(call.node) && form.operands[0]->dtype == ir::DType::u8;
  const ReadCodes codes(*call.inputs[0]);
  std::vector<int32_t> patch(static_cast<size_t>(layer.k));
  ir::Dims output(window->output.size(), 0);
  for (int64_t pixel = 0; pixel < pixels; ++pixel, next(output, window->output)) {
    const std::vector<int64_t> taps = positions(*window, output);
    for (int64_t n = 0; n < x[0]; ++n) {
      for (int64_t m = 0; m < layer.outputs; ++m) {
        const int64_t first = n * x[1] + m / group_outputs * channels;
        if (m % group_outputs == 0) {
          for (size_t k = 0; k < patch.size(); ++k) {
            const int64_t tap = taps[k / static_cast<size_t>(channels)], c = static_cast<int64_t>(k) % channels;
            patch[k] = tap < 0 ? layer.input_zero_point : codes[(first + c) * plane + tap];
          }
        }
        const int32_t sum = dot(patch, layer.weight.data() + m * layer.k, layer.input_zero_point, saturating);
        const auto biased = static_cast<int32_t>(static_cast<uint32_t>(sum) +
                                                 static_cast<uint32_t>(layer.bias[static_cast<size_t>(m)]));
        call.outputs[0].data[(n * layer.outputs + m) * pixels + pixel] = as_byte(layer.requantize.code(biased, m));
      }
    }
  }
  return {};
}

}  // namespace edgesmith::runtime::integer
