// SPDX-License-Identifier: Apache-2.0
// average_pool and global_average_pool on codes: the sum of the codes less their zero point, requantized by
// input scale / (output scale * count).
#include "runtime/integer/average.h"
#include "runtime/integer/plain.h"

namespace edgesmith::runtime::integer {

Requantize mean_of(const Form& form, int64_t count) {
  Requantize out =
      make_requantize({form.operands[0]->scale / static_cast<float>(count)}, form.result, form.fixed_point());
  if (!form.fixed_point()) out.scale = {form.operands[0]->scale / (form.result.scale * static_cast<float>(count))};
  return out;
}

AverageSpan average_span(const ops::Window& w, size_t axis, int64_t o, bool count_pads) {
  AverageSpan span = {0, w.dilations[axis], 0, 0};
  const int64_t first = o * w.strides[axis] - w.pads_begin[axis], end = w.input[axis] + w.pads_end[axis];
  for (int64_t k = 0; k < w.kernel[axis]; ++k) {
    const int64_t at = first + k * w.dilations[axis];
    const bool inside = at >= 0 && at < w.input[axis];
    if (inside && span.inside == 0) span.begin = at;
    span.inside += inside ? 1 : 0;
    span.counted += inside || (count_pads && at < end) ? 1 : 0;
  }
  return span;
}

Result<ops::Window> average_window(const ir::Node& node, const ir::Dims& spatial) {
  if (node.is(ir::OpKind::average_pool)) {
    return ops::resolve_window(node, spatial, node.attributes().get_ints("kernel_shape"));
  }
  const ir::Dims ones(spatial.size(), 1), zeros(spatial.size(), 0);
  return ops::Window{spatial, spatial, ones, ones, zeros, zeros, ones};
}

bool is_average(const Form& form) {
  const bool average = form.node->is(ir::OpKind::average_pool) || form.node->is(ir::OpKind::global_average_pool);
  return average && form.node->input(0)->type().rank() == 4;
}

Status run_average(const KernelCall& call) {
  const Form& form = static_cast<const PlainForm&>(*call.prepared).form;
  const ir::Dims& x = call.inputs[0]->dims();
  const auto window = average_window(call.node, ir::Dims(x.begin() + 2, x.end()));
  if (!window) return window.error();
  const bool count_pads = call.node.attributes().get_int("count_include_pad", 0) != 0;
  const int64_t height = window->output[0], width = window->output[1], plane = x[2] * x[3];
  const ReadCodes codes(*call.inputs[0]);
  for (int64_t y = 0; y < height; ++y) {
    const AverageSpan rows = average_span(*window, 0, y, count_pads);
    for (int64_t z = 0; z < width; ++z) {
      const AverageSpan columns = average_span(*window, 1, z, count_pads);
      const int64_t count = std::max<int64_t>(1, rows.counted * columns.counted);
      const Requantize requantize = mean_of(form, count);
      for (int64_t c = 0; c < x[0] * x[1]; ++c) {
        int32_t sum = 0;
        for (int64_t r = 0; r < rows.inside; ++r) {
          for (int64_t k = 0; k < columns.inside; ++k) {
            const int64_t at = (rows.begin + r * rows.step) * x[3] + columns.begin + k * columns.step;
            sum += codes[c * plane + at] - form.operands[0]->zero_point;
          }
        }
        call.outputs[0].data[(c * height + y) * width + z] = as_byte(requantize.code(sum, 0));
      }
    }
  }
  return {};
}

}  // namespace edgesmith::runtime::integer
